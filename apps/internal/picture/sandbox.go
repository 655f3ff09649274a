package picture

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	_ "unsafe" // for go:linkname

	_ "github.com/gen2brain/avif" // for its WebAssembly module
	_ "github.com/gen2brain/heic" // for its WebAssembly module
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The decoders of HEIC (libheif with libde265) and AVIF (libavif with libaom)
// as gzipped WebAssembly modules. They are run here and not by their
// packages, which prefer a system library if there is one, bound neither
// memory nor time, and (heic) use a wrong stride for narrow pictures. See
// docs/adr/0017-formats.md.
var (
	//go:linkname heifModule github.com/gen2brain/heic.heifWasm
	heifModule []byte
	//go:linkname avifModule github.com/gen2brain/avif.decodeWasm
	avifModule []byte
)

// Sandbox runs the decoders of HEIC and AVIF as WebAssembly. They are large C
// libraries; a hostile file cannot reach beyond the memory of its own
// decoding, which is freed afterwards. A decoder is compiled at its first
// use, which takes about a second. A Sandbox is safe for concurrent use.
//
// A Sandbox does not bound time: the necessary checks in every loop would
// make a decoder 2.7 times slower. Run it in a process that can be killed.
type Sandbox struct {
	heif, avif wasmDecoder
}

// NewSandbox returns a Sandbox in which each decoding gets at most memory
// bytes, but at least 16 MiB.
func NewSandbox(memory int64) *Sandbox {
	return &Sandbox{
		heif: wasmDecoder{module: func() []byte { return heifModule }, memory: memory},
		avif: wasmDecoder{module: func() []byte { return avifModule }, memory: memory},
	}
}

// Compile compiles both decoders. Calling it is optional; otherwise the first
// HEIC and the first AVIF wait for it. Only the first call compiles.
func (s *Sandbox) Compile() error {
	return errors.Join(s.heif.prepare(), s.avif.prepare())
}

// wasmDecoder is one decoder in the sandbox.
type wasmDecoder struct {
	module func() []byte
	memory int64

	compile  sync.Once
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	err      error
}

// wasmPage is the size in bytes of a page of WebAssembly memory. A module can
// have up to maxWasmPages.
const (
	minSandbox   = 16 << 20
	wasmPage     = 64 << 10
	maxWasmPages = 1 << 16
)

func (s *wasmDecoder) prepare() error {
	s.compile.Do(func() {
		ctx := context.Background()
		code, err := gunzip(s.module())
		if err != nil {
			s.err = fmt.Errorf("unpack the WebAssembly decoder: %w", err)
			return
		}
		pages := min(max(s.memory, minSandbox)/wasmPage, maxWasmPages)
		s.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
			WithMemoryLimitPages(uint32(pages)))
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, s.runtime); err != nil {
			s.err = fmt.Errorf("set up the system calls of the WebAssembly decoder: %w", err)
			return
		}
		if s.compiled, err = s.runtime.CompileModule(ctx, code); err != nil {
			s.err = fmt.Errorf("compile the WebAssembly decoder: %w", err)
		}
	})
	return s.err
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// errSandbox is wrapped by errors that are not the picture's fault.
var errSandbox = errors.New("the sandboxed decoder cannot run")

// instance is a decoder with one file in its memory.
type instance struct {
	ctx    context.Context
	module api.Module
	file   uint64 // the file's address in its memory
	size   uint64
}

// run starts a decoder, copies file into its memory and calls use.
func (s *wasmDecoder) run(file []byte, use func(*instance) error) error {
	if err := s.prepare(); err != nil {
		return fmt.Errorf("%w: %w", errSandbox, err)
	}
	ctx := experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc(newLinearMemory))
	// Instances need no name. Without one they do not conflict.
	module, err := s.runtime.InstantiateModule(ctx, s.compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return fmt.Errorf("%w: %w", errSandbox, err)
	}
	defer module.Close(context.Background())
	in := &instance{ctx: ctx, module: module, size: uint64(len(file))}
	if in.file, err = in.alloc(len(file)); err != nil {
		return err
	}
	if !module.Memory().Write(uint32(in.file), file) {
		return errSandboxMemory
	}
	return use(in)
}

var errSandboxMemory = errors.New("the decoder has too little memory for this file")

// alloc allocates size bytes in the decoder's memory and returns their
// address.
func (in *instance) alloc(size int) (uint64, error) {
	out, err := in.module.ExportedFunction("malloc").Call(in.ctx, uint64(size))
	if err != nil {
		return 0, fmt.Errorf("allocate memory: %w", err)
	}
	if out[0] == 0 {
		return 0, errSandboxMemory
	}
	return out[0], nil
}

// decode calls the decoder's function "decode", which returns 0 if it fails.
func (in *instance) decode(arguments ...uint64) error {
	out, err := in.module.ExportedFunction("decode").Call(in.ctx, append([]uint64{in.file, in.size}, arguments...)...)
	if err != nil {
		return err
	}
	if out[0] == 0 {
		return errors.New("the decoder cannot decode the file")
	}
	return nil
}

// words reads n 32-bit words at an address.
func (in *instance) words(at uint64, n int) ([]uint32, error) {
	out := make([]uint32, n)
	for i := range out {
		v, ok := in.module.Memory().ReadUint32Le(uint32(at) + uint32(4*i))
		if !ok {
			return nil, errSandboxMemory
		}
		out[i] = v
	}
	return out, nil
}

// read returns size bytes at an address. The slice is only valid until the
// decoder runs again.
func (in *instance) read(at uint64, size int) ([]byte, error) {
	data, ok := in.module.Memory().Read(uint32(at), uint32(size))
	if !ok {
		return nil, errSandboxMemory
	}
	return data, nil
}

// checkSize returns an error if the decoded size is not that of the header.
func checkSize(width, height uint32, h *header) error {
	if int64(width) != int64(h.width) || int64(height) != int64(h.height) {
		return fmt.Errorf("decoded to %d x %d, not %d x %d", width, height, h.width, h.height)
	}
	return nil
}

// decodeHEIC decodes a HEIC file. libheif applies the rotation and the crop.
func (s *Sandbox) decodeHEIC(file []byte, h *header) (m image.Image, err error) {
	err = s.heif.run(file, func(in *instance) error {
		m, err = in.heic(h)
		return err
	})
	return m, err
}

// libheif's numbers for colour spaces and chroma formats.
const (
	heifYCbCr      = 0
	heifMonochrome = 2
	heif420        = 1
	heif422        = 2
	heif444        = 3
)

func (in *instance) heic(h *header) (image.Image, error) {
	info, err := in.alloc(5 * 4) // width, height, colours, chroma, premultiplied
	if err != nil {
		return nil, err
	}
	call := func(headerOnly, out uint64) error {
		return in.decode(headerOnly, info, info+4, info+8, info+12, info+16, out)
	}
	if err := call(1, 0); err != nil {
		return nil, err
	}
	v, err := in.words(info, 4)
	if err != nil {
		return nil, err
	}
	if err := checkSize(v[0], v[1], h); err != nil {
		return nil, err
	}
	l, err := heifLayout(h.width, h.height, v[2], v[3])
	if err != nil {
		return nil, err
	}
	out, err := in.alloc(l.size)
	if err != nil {
		return nil, err
	}
	if err := call(0, out); err != nil {
		return nil, err
	}
	data, err := in.read(out, l.size)
	if err != nil {
		return nil, err
	}
	return l.image(bytes.Clone(data)), nil
}

// heifPlanes is the memory layout of the HEIC decoder's output.
type heifPlanes struct {
	rect            image.Rectangle
	colours, chroma uint32
	stride, cStride int
	cHeight, size   int
}

func heifLayout(width, height int, colours, chroma uint32) (heifPlanes, error) {
	l := heifPlanes{rect: image.Rect(0, 0, width, height), colours: colours, chroma: chroma}
	// libheif allocates at least 64 columns for a plane and rounds its rows
	// up to 16 bytes.
	aligned := func(n int) int { return (max(64, n+n&1) + 15) &^ 15 }
	l.stride = aligned(width)
	switch {
	case colours == heifMonochrome:
	case colours != heifYCbCr:
		l.stride = 4 * aligned(width)
	case chroma == heif420:
		l.cStride, l.cHeight = aligned(ceilDiv(width, 2)), ceilDiv(height, 2)
	case chroma == heif422:
		l.cStride, l.cHeight = aligned(ceilDiv(width, 2)), height
	case chroma == heif444:
		l.cStride, l.cHeight = aligned(width), height
	default:
		return l, fmt.Errorf("unknown chroma format %d", chroma)
	}
	l.size = l.stride*height + 2*l.cStride*l.cHeight
	return l, nil
}

func (l *heifPlanes) image(data []byte) image.Image {
	switch l.colours {
	case heifMonochrome:
		return &image.Gray{Pix: data, Stride: l.stride, Rect: l.rect}
	case heifYCbCr:
		y, c := l.stride*l.rect.Dy(), l.cStride*l.cHeight
		ratio := image.YCbCrSubsampleRatio420
		switch l.chroma {
		case heif422:
			ratio = image.YCbCrSubsampleRatio422
		case heif444:
			ratio = image.YCbCrSubsampleRatio444
		}
		return &image.YCbCr{
			Y: data[:y], Cb: data[y : y+c], Cr: data[y+c:], YStride: l.stride, CStride: l.cStride,
			SubsampleRatio: ratio, Rect: l.rect,
		}
	default:
		return &image.NRGBA{Pix: data, Stride: l.stride, Rect: l.rect}
	}
}

// decodeAVIF decodes the first picture of an AVIF file, as stored.
func (s *Sandbox) decodeAVIF(file []byte, h *header) (m image.Image, err error) {
	err = s.avif.run(file, func(in *instance) error {
		m, err = in.av1(h)
		return err
	})
	return m, err
}

func (in *instance) av1(h *header) (image.Image, error) {
	info, err := in.alloc(4*4 + 8) // width, height, depth, count; the duration of the first picture
	if err != nil {
		return nil, err
	}
	call := func(headerOnly, out uint64) error {
		return in.decode(headerOnly, 0, info, info+4, info+8, info+12, info+16, out)
	}
	if err := call(1, 0); err != nil {
		return nil, err
	}
	v, err := in.words(info, 3)
	if err != nil {
		return nil, err
	}
	if err := checkSize(v[0], v[1], h); err != nil {
		return nil, err
	}
	pixel := 4 // bytes of R, G, B and alpha
	if v[2] > 8 {
		pixel = 8 // little-endian 16 bits a channel; only the high byte is used
	}
	size := pixel * h.width * h.height
	out, err := in.alloc(size)
	if err != nil {
		return nil, err
	}
	// The decoder reports success even if it finds no picture. It then leaves
	// the duration unset, which is checked below.
	const unset = 1<<64 - 1
	if !in.module.Memory().WriteUint64Le(uint32(info)+16, unset) {
		return nil, errSandboxMemory
	}
	if err := call(0, out); err != nil {
		return nil, err
	}
	if shown, ok := in.module.Memory().ReadUint64Le(uint32(info) + 16); !ok || shown == unset {
		return nil, errors.New("the decoder found no picture in the file")
	}
	data, err := in.read(out, size)
	if err != nil {
		return nil, err
	}
	return rgbOf(data, h.width, h.height, pixel/4), nil
}

// rgbOf puts pixels with premultiplied RGBA on the backdrop. channel is the
// number of bytes a channel; the most significant one is last.
func rgbOf(data []byte, width, height, channel int) *RGB {
	m := NewRGB(width, height)
	at := channel - 1
	for i := 0; i+2 < len(m.Pix); i += bytesPerPixel {
		alpha := data[at+3*channel]
		for c := range bytesPerPixel {
			m.Pix[i+c] = byte(min(0xff, int(data[at+c*channel])+(0xff-int(alpha))*backdrop/0xff))
		}
		at += 4 * channel
	}
	return m
}
