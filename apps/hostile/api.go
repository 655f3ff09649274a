package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// request is one hostile request. Any answer below 500 will do, but those in want, if
// there are some, and 503 and 507, which say that there is no room.
type request struct {
	what               string
	method, path, kind string
	body               []byte
	header             map[string]string
	want               []int
}

// sendAll sends requests one after the other. The error names all that were answered
// otherwise.
func (r *rig) sendAll(ctx context.Context, list []request) error {
	var all []error
	for _, q := range list {
		code, text, err := r.send(ctx, q)
		switch {
		case errors.Is(err, syscall.ECONNRESET):
			err = nil // the server refused it without taking in the rest
		case err != nil:
			err = fmt.Errorf("%s: %w", q.what, err)
		case code == http.StatusServiceUnavailable || code == http.StatusInsufficientStorage:
		case code >= 500, len(q.want) > 0 && !slices.Contains(q.want, code):
			err = fmt.Errorf("%s was answered with %d, want %v: %.200s", q.what, code, q.want, text)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (r *rig) send(ctx context.Context, q request) (code int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, q.method, "http://"+r.rest+q.path, bytes.NewReader(q.body))
	if err != nil {
		return 0, "", err
	}
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(raw), err
}

const formKind = "multipart/form-data; boundary=b"

// part is one part of a form, by its header as it is sent.
func part(disposition, content string) string {
	return "--b\r\nContent-Disposition: " + disposition + "\r\n\r\n" + content + "\r\n"
}

const jpegHead = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"

// uploadTricks sends forms that are not what they seem. Afterwards nothing may be
// outside of the folder of uploads.
func (r *rig) uploadTricks(ctx context.Context) error {
	upload := func(what, kind, body string, want ...int) request {
		return request{what: "an upload with " + what, method: http.MethodPost, path: "/api/v1/images", kind: kind, body: []byte(body), want: want}
	}
	file := func(name string) string {
		return part(`form-data; name="file"; filename=`+name, jpegHead+name) + "--b--\r\n"
	}
	taken, refused := []int{http.StatusAccepted, http.StatusBadRequest}, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}
	var list []request
	for _, name := range []string{
		`"../../../../etc/cron.d/evil.jpg"`, `"/etc/evil.jpg"`, `"..\..\evil.jpg"`, `"a.jpg/../../evil"`, `".tmp-evil"`, `"CON"`, `""`, `"` + strings.Repeat("a", 5000) + `.jpg"`,
		"\"\u202egpj.exe\"", `"a.jpg"; filename="../evil.jpg"`, `"a\"; filename=\"b.jpg"`, "\"\xff\xfe.jpg\"",
	} {
		list = append(list, upload("the name "+fmt.Sprintf("%.60s", name), formKind, file(name), taken...))
	}
	list = append(list,
		upload("a name of 100 KB", formKind, file(`"`+strings.Repeat("a", 100_000)+`"`), append(taken, refused...)...),
		upload("a part without a name", formKind, part("form-data", jpegHead)+"--b--\r\n", refused...),
		upload("a part without a header", formKind, "--b\r\n\r\n"+jpegHead+"\r\n--b--\r\n", refused...),
		upload("no boundary", "multipart/form-data", file(`"a.jpg"`), refused...),
		upload("an empty boundary", `multipart/form-data; boundary=""`, file(`"a.jpg"`), refused...),
		upload("a boundary of 10 KB", "multipart/form-data; boundary="+strings.Repeat("b", 10_000), file(`"a.jpg"`), refused...),
		upload("another boundary", "multipart/form-data; boundary=c", file(`"a.jpg"`), refused...),
		upload("the boundary in its content", formKind, part(`form-data; name="file"; filename="a.jpg"`, jpegHead+"\r\n--b\r\n")+"--b--\r\n", refused...),
		upload("no end", formKind, strings.TrimSuffix(file(`"a.jpg"`), "--b--\r\n"), refused...),
		upload("half a part", formKind, part(`form-data; name="file"; filename="a.jpg"`, jpegHead)[:60], refused...),
		upload("a megabyte before its first part", formKind, strings.Repeat("x", 1<<20)+"\r\n"+file(`"a.jpg"`), append(taken, refused...)...),
		upload("a header of a megabyte", formKind, "--b\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\nx\r\n--b--\r\n", refused...),
		upload("100,000 headers", formKind, "--b\r\n"+strings.Repeat("X: y\r\n", 100_000)+"\r\nx\r\n--b--\r\n", refused...),
		upload("a form in its part", formKind, "--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n", refused...),
		upload("a file in base64", formKind, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQ\r\n--b--\r\n", taken...),
		upload("nothing", formKind, "", refused...),
	)
	if err := r.sendAll(ctx, list); err != nil {
		return err
	}
	return r.onlyUploads()
}

// onlyUploads looks for files that an upload has written elsewhere.
func (r *rig) onlyUploads() error {
	return filepath.WalkDir(r.path("s"), func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside := strings.HasPrefix(name, r.path("s", "unknown", "uploads")+string(filepath.Separator))
		if e.Type().IsRegular() && !inside && strings.Contains(strings.ToLower(filepath.Base(name)), "evil") {
			return fmt.Errorf("an upload wrote %s", name)
		}
		return nil
	})
}

// manyParts sends forms of very many parts.
func (r *rig) manyParts(ctx context.Context) error {
	empty := strings.Repeat("--b\r\n\r\n\r\n", r.size.parts)
	files := strings.Repeat(part(`form-data; name="file"; filename="a.jpg"`, jpegHead), r.size.parts/20)
	return r.sendAll(ctx, []request{
		{"very many empty parts", http.MethodPost, "/api/v1/images", formKind, []byte(empty + "--b--\r\n"), nil, []int{400, 413}},
		{"very many files of one content", http.MethodPost, "/api/v1/images", formKind, []byte(files + "--b--\r\n"), nil, []int{202, 400, 413}},
		{"very many empty parts to identify", http.MethodPost, "/api/v1/identify", formKind, []byte(empty + "--b--\r\n"), nil, []int{400, 413}},
	})
}

// slowUploads holds many uploads that send a little and then nothing.
func (r *rig) slowUploads(ctx context.Context) error {
	var group errgroup.Group
	for range r.size.clients {
		group.Go(func() error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.rest)
			if err != nil {
				return err
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = fmt.Fprintf(conn, "POST /api/v1/images HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
				r.rest, formKind, 100<<20, part(`form-data; name="file"; filename="a.jpg"`, jpegHead)[:80])
			_, _ = io.Copy(io.Discard, conn) // refusing it is right, and so is waiting
			return nil
		})
	}
	return group.Wait()
}

// pngBomb is a small file of a very large picture.
func pngBomb(side uint32) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		sum := crc32.NewIEEE()
		_, _ = io.MultiWriter(&b, sum).Write(append([]byte(kind), data...))
		_ = binary.Write(&b, binary.BigEndian, sum.Sum32())
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	chunk("IHDR", append(head, 1, 0, 0, 0, 0))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 64<<20)) // to memory
	_ = z.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

// questions asks at once about pictures that are bombs, and makes them known.
func (r *rig) questions(ctx context.Context) error {
	var gz bytes.Buffer
	packed := gzip.NewWriter(&gz)
	_, _ = packed.Write(make([]byte, 300<<20)) // to memory
	_ = packed.Close()
	bombs := map[string][]byte{
		"a PNG of 2 gigapixels": pngBomb(46_000), "a PNG of 40 megapixels in one colour": pngBomb(6_300),
		"a TIFF of many strips": stripBomb(r.size.strips, 8), "a JPEG of many scans": scanBomb(r.size.jpeg, r.size.scans), "zeros": make([]byte, 1<<20),
	}
	var list []request
	for what, bomb := range bombs {
		both, kind := pair(bomb)
		list = append(list,
			request{what + " to identify", http.MethodPost, "/api/v1/identify", "application/octet-stream", bomb, nil, []int{200, 413, 422}},
			request{what + " to compare", http.MethodPost, "/api/v1/compare", kind, both, nil, []int{200, 413, 422}},
			request{what + " as a known picture", http.MethodPost, "/api/v1/people/1/known-pictures", "image/png", bomb, nil, []int{413, 422}},
			request{what + " as an upload", http.MethodPost, "/api/v1/images", "multipart/form-data; boundary=b",
				[]byte(part(`form-data; name="file"; filename="a"`, string(bomb)) + "--b--\r\n"), nil, []int{202, 413}},
		)
	}
	list = append(list, request{"300 MB, packed, to identify", http.MethodPost, "/api/v1/identify", "image/png", gz.Bytes(),
		map[string]string{"Content-Encoding": "gzip"}, []int{400, 413, 415}})
	return r.sendAll(ctx, list)
}

// pair is a form with a picture twice.
func pair(content []byte) (body []byte, kind string) {
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	for _, name := range []string{"a", "b"} {
		if w, err := form.CreateFormFile(name, "a.png"); err == nil {
			_, _ = w.Write(content) // to memory
		}
	}
	_ = form.Close()
	return out.Bytes(), form.FormDataContentType()
}

// knownPaths enrols files by paths that lead elsewhere, or are no files.
func (r *rig) knownPaths(ctx context.Context) error {
	known := r.path("s", "known")
	err := errors.Join(
		os.Symlink("/etc/passwd", filepath.Join(known, "Ada", "link.jpg")),
		os.Symlink("/dev/zero", filepath.Join(known, "Ada", "zero.jpg")),
		os.Symlink(r.path("r", "known", "Ada"), filepath.Join(known, "elsewhere")),
		syscall.Mkfifo(filepath.Join(known, "Ada", "pipe.jpg"), 0o600),
	)
	var list []request
	for _, path := range []string{
		"../../etc/passwd", "/etc/passwd", "Ada/../../../etc/passwd", "Ada/link.jpg", "Ada/zero.jpg", "Ada/pipe.jpg", "elsewhere/1.jpg", "Ada", ".", "",
		"_rollcall/00/" + strings.Repeat("0", 64) + ".jpg", "Ada/1.jpg\x00.png", strings.Repeat("a/", 2000) + "1.jpg", "Ada/\u202egpj.1", "/dev/stdin", "/proc/self/environ",
	} {
		body, jsonErr := json.Marshal(map[string]string{"path": path})
		err = errors.Join(err, jsonErr)
		list = append(list, request{fmt.Sprintf("the known picture %.40q", path), http.MethodPost, "/api/v1/people/1/known-pictures", "application/json", body, nil, []int{400, 404, 413, 422}})
	}
	if err != nil {
		return err
	}
	err = r.sendAll(ctx, list)
	for _, name := range []string{"Ada/link.jpg", "Ada/zero.jpg", "Ada/pipe.jpg", "elsewhere"} {
		err = errors.Join(err, os.Remove(filepath.Join(known, name)))
	}
	return err
}

// numbers asks for pictures of sizes that nobody can want, and sends long ETags.
func (r *rig) numbers(ctx context.Context) error {
	var list []request
	for _, size := range []string{"0", "-1", "1", "31", "2049", "1000000000", "99999999999999999999", "NaN", "1e3", "%00", "0x40", " 64"} {
		size = strings.ReplaceAll(size, " ", "%20")
		for _, path := range []string{"/api/v1/images/1/thumbnail", "/api/v1/images/1/picture", "/api/v1/faces/1/crop"} {
			list = append(list, request{path + " with the size " + size, http.MethodGet, path + "?size=" + size, "", nil, nil, []int{400}})
		}
	}
	for _, margin := range []string{"NaN", "Inf", "-Inf", "-0.1", "4.1", "1e308", "1e999", "0x1p-2000"} {
		list = append(list, request{"a crop with the margin " + margin, http.MethodGet, "/api/v1/faces/1/crop?margin=" + margin, "", nil, nil, []int{400, 200, 404}})
	}
	for what, tag := range map[string]string{"100 KB": strings.Repeat("1", 100_000), "quotes": strings.Repeat(`"`, 1000), "a list": strings.Repeat(`"1", `, 1000) + `"1"`, "a large number": `"99999999999999999999"`, "minus": `"-1"`} {
		for _, path := range []string{"/api/v1/people/1", "/api/v1/faces/1/ignore"} {
			method := http.MethodPost
			if strings.Contains(path, "people") {
				method = http.MethodDelete
			}
			list = append(list, request{"If-Match with " + what, method, path, "", nil, map[string]string{"If-Match": tag}, []int{400, 404, 412, 431}})
		}
	}
	return r.sendAll(ctx, list)
}

// strangeNames adds people whose names are not for people, and lists them.
func (r *rig) strangeNames(ctx context.Context) error {
	taken, refused := []int{201, 400, 409}, []int{400, 413}
	var list []request
	for name, want := range map[string][]int{
		strings.Repeat("a", 100_000): refused, "": refused, " \t\n": refused, "..": taken, "_rollcall": taken, "../../evil": taken, "/": taken,
		"\x00": refused, "\x1b]0;evil\x07": refused, "a\u009b31m": refused, "\u202egpj.evil": taken, "<script>evil()</script>": taken, "'; DROP TABLE person; --": taken, strings.Repeat("\u0301", 255): taken,
	} {
		body, err := json.Marshal(map[string]string{"name": name})
		if err != nil {
			return err
		}
		list = append(list, request{fmt.Sprintf("the name %.30q", name), http.MethodPost, "/api/v1/people", "application/json", body, nil, want})
	}
	list = append(list,
		request{"a name that is not UTF-8", http.MethodPost, "/api/v1/people", "application/json", []byte("{\"name\":\"\xff\"}"), nil, []int{400}},
		request{"the list of these people", http.MethodGet, "/api/v1/people", "", nil, nil, []int{200}},
	)
	if err := r.sendAll(ctx, list); err != nil {
		return err
	}
	return r.onlyUploads()
}
