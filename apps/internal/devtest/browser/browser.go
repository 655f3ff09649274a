// Package browser is a real browser for tests of pages: Debian's chromium, without a
// window. A Page notes everything that a page must not do: errors of scripts, requests
// to other hosts, and what the Content-Security-Policy refused.
//
//	b := browser.Start(t)
//	p := b.Open(server.URL + "/", browser.Phone)
//	p.Click("a.card")
//	p.WaitFor(`document.title.includes("Ada")`)
//	p.CheckQuiet()
//	p.CheckAccess()
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
)

// patience is how long a page may take for one step. The machine may be busy.
const patience = time.Minute

// Screen is what a page is looked at on.
type Screen struct {
	Width, Height int64
	Dark          bool
	Touch         bool
	NoScript      bool // the browser runs no JavaScript
}

// Screens.
var (
	Laptop = Screen{Width: 1280, Height: 800}
	Night  = Screen{Width: 1280, Height: 800, Dark: true}
	Phone  = Screen{Width: 360, Height: 740, Touch: true}
	Wall   = Screen{Width: 3840, Height: 2160}
)

// Browser is a running browser.
type Browser struct {
	t   *testing.T
	ctx context.Context
}

// names are the programs to look for, in this order.
func names() []string { return []string{"chromium", "chromium-browser", "google-chrome"} }

// Start starts a browser, which ends with the test. Without one installed it skips the
// test.
func Start(t *testing.T) *Browser {
	t.Helper()
	program := ""
	for _, name := range names() {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Skip("no browser: apt-get install chromium (make setup-test does)")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-gpu", true), chromedp.WSURLReadTimeout(patience), chromedp.UserDataDir(t.TempDir()))
	alloc, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), opts...) // it ends after the test, in Cleanup
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until the browser has ended
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return &Browser{t: t, ctx: ctx}
}

// Page is an open page.
type Page struct {
	t    *testing.T
	ctx  context.Context
	end  context.CancelFunc
	host string

	mu     sync.Mutex // guards the fields below
	faults []string
}

// Open opens a page on a screen, in a tab of its own.
func (b *Browser) Open(address string, s Screen) *Page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	p := &Page{t: b.t, ctx: ctx, end: cancel, host: hostOf(address)}
	if err := chromedp.Listen(ctx, p.note); err != nil {
		b.t.Fatalf("open a tab: %v", err)
	}
	theme := "light"
	if s.Dark {
		theme = "dark"
	}
	p.Do(command(network.Enable, network.EnableParams{}), command(runtime.Enable, cdp.Empty{}), command(log.Enable, cdp.Empty{}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.Width, Height: s.Height, DeviceScaleFactor: 1, Mobile: s.Touch}),
		command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}), // or only one tab is seen
		command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kolkata"}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: s.NoScript}),
		chromedp.Navigate(address))
	return p
}

// command sends a command of the protocol.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// note keeps what a page must not do.
func (p *Page) note(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "script: " + exceptionOf(e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			fault = fmt.Sprintf("console: %s", argumentsOf(e.Args))
		}
	case *log.EventEntryAdded:
		// A picture that is missing is part of some tests.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			fault = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; hostOf(u) != p.host && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "about:") {
			fault = "request to another host: " + u
		}
	}
	if fault != "" {
		p.mu.Lock()
		p.faults = append(p.faults, fault)
		p.mu.Unlock()
	}
}

func exceptionOf(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Exception.Description
	}
	return d.Text
}

func argumentsOf(args []*runtime.RemoteObject) string {
	var text []string
	for _, a := range args {
		text = append(text, string(a.Value))
	}
	return strings.Join(text, " ")
}

// CheckQuiet fails the test if the page has done what it must not do.
func (p *Page) CheckQuiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Errorf("the page: %s", f)
	}
	p.faults = nil
}

// Do runs actions of chromedp.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := p.try(actions...); err != nil {
		p.t.Fatalf("in the browser: %v\n%s", err, p.where())
	}
}

func (p *Page) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// where describes the page for a message.
func (p *Page) where() string {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 1500)`))
	if err != nil {
		return "(the page does not answer)"
	}
	return text
}

// Close closes the tab. A browser has few connections to one server: of pages that
// listen to changes, close those that are done.
func (p *Page) Close() { p.end() }

// Go opens another address in the same tab.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.Do(chromedp.Navigate(address))
}

// Click clicks on the first element that a selector finds, once it is there.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.onElement(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types into a field.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.onElement(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// onElement runs an action on an element. A page that shows what is new may replace the
// element after it was found and before anything was done with it: then it is found again.
func (p *Page) onElement(action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	wait.Within(p.t, patience, "the page leaves its elements alone", func() bool {
		err := p.try(action)
		if err == nil {
			return true
		}
		if !strings.Contains(err.Error(), "Could not find node with given id") {
			p.t.Fatalf("in the browser: %v\n%s", err, p.where())
		}
		return false
	})
}

// Press presses keys wherever the focus is: letters, or Enter and so on.
func (p *Page) Press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		for _, r := range key {
			p.Do(stroke(r)...)
		}
	}
}

// stroke is what a keyboard does. What a script prevents when a key goes down brings no
// letter, unlike that of chromedp.KeyEvent.
func stroke(r rune) (actions []chromedp.Action[chromedp.Void]) {
	var events []*input.DispatchKeyEventParams
	for _, e := range kb.Encode(r) {
		if e.Type == input.DispatchKeyEventTypeChar && len(events) > 0 {
			down := events[len(events)-1]
			down.Type, down.Text, down.UnmodifiedText = input.DispatchKeyEventTypeKeyDown, e.Text, e.UnmodifiedText
			continue
		}
		events = append(events, e)
	}
	for _, e := range events {
		actions = append(actions, command(input.DispatchKeyEvent, *e))
	}
	return actions
}

// PressShift presses a key while Shift is down.
func (p *Page) PressShift(key string) {
	p.t.Helper()
	p.pressWith(8, key)
}

// PressCtrl presses a key while Ctrl is down.
func (p *Page) PressCtrl(key string) {
	p.t.Helper()
	p.pressWith(2, key)
}

func (p *Page) pressWith(modifiers int64, key string) {
	p.t.Helper()
	for _, r := range key {
		for _, e := range kb.Encode(r) {
			if e.Type == input.DispatchKeyEventTypeChar {
				continue // with Ctrl, no letter comes
			}
			e.Modifiers |= modifiers
			p.Do(command(input.DispatchKeyEvent, *e))
		}
	}
}

// Keys that have no letter.
const (
	Enter  = kb.Enter
	Escape = kb.Escape
	Tab    = kb.Tab
	Down   = kb.ArrowDown
	Right  = kb.ArrowRight
)

// Drag moves the pressed mouse from one point of the window to another.
func (p *Page) Drag(x1, y1, x2, y2 float64) {
	p.t.Helper()
	p.Do(chromedp.MouseEvent("mousePressed", x1, y1, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent("mouseMoved", (x1+x2)/2, (y1+y2)/2, chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseMoved", x2, y2, chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseReleased", x2, y2, chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

// WaitFor waits until an expression of JavaScript is true.
func (p *Page) WaitFor(expression string) {
	p.t.Helper()
	begin := time.Now()
	wait.Within(p.t, 2*patience, expression, func() bool {
		if time.Since(begin) > patience {
			p.t.Fatalf("waited in vain until %s\n%s", expression, p.where())
		}
		return Eval[bool](p, "Boolean("+expression+")")
	})
}

// Text returns the text of the first element that a selector finds, with single spaces.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	text := Eval[string](p, `document.querySelector(`+strconv.Quote(selector)+`)?.innerText ?? ""`)
	return strings.Join(strings.Fields(text), " ")
}

// Eval returns the value of an expression of JavaScript. While a page is being replaced
// by the next one, it is asked again.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	var v T
	var err error
	defer func() {
		if err != nil { // the wait was in vain
			p.t.Logf("the last try: %v\n%s", err, p.where())
		}
	}()
	wait.Within(p.t, evalPatience, "in the browser: "+expression[:min(len(expression), 200)], func() bool {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		v, err = chromedp.Run(ctx, chromedp.Evaluate[T](expression, func(e *runtime.EvaluateParams) { e.AwaitPromise = &[]bool{true}[0] }))
		return err == nil
	})
	return v
}

// evalPatience is how long a page may be in the middle of being replaced.
const evalPatience = 5 * time.Second

// Shot writes a picture of the window to a file, as PNG.
func (p *Page) Shot(file string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = os.WriteFile(file, png, 0o644)
	}
	if err != nil {
		p.t.Fatalf("take a picture of the page: %v", err)
	}
}

// CheckFits fails the test if the page is wider than its window.
func (p *Page) CheckFits() {
	p.t.Helper()
	if over := Eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		p.t.Errorf("the page is %d pixels wider than its window: %s", over, Eval[string](p, `[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`))
	}
}

// fault is what axe-core finds.
type fault struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	}
}

// CheckAccess fails the test if axe-core finds a serious fault of accessibility.
func (p *Page) CheckAccess() {
	p.t.Helper()
	Eval[bool](p, axe+";true")
	text := Eval[string](p, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`)
	var faults []fault
	if err := json.Unmarshal([]byte(text), &faults); err != nil {
		p.t.Fatalf("read what axe-core says: %v", err)
	}
	for _, f := range faults {
		if f.Impact != "serious" && f.Impact != "critical" {
			continue
		}
		for _, n := range f.Nodes {
			p.t.Errorf("accessibility, %s: %s (%s)\n%s\n%s", f.Impact, f.Help, f.ID, n.HTML, n.FailureSummary)
		}
	}
}
