package frontend_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// look notes what a page looks like, where somebody asks for it.
func look(p *browser.Page, name string) {
	if dir := os.Getenv("ROLLCALL_TEST_LOOK"); dir != "" {
		p.Shot(filepath.Join(dir, name+".png"))
	}
}

// A key is made, shown once, used, and revoked; then it is refused.
func TestBrowserKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.Go(o.url + "/settings")
	p.WaitFor(`location.pathname === "/settings/keys"`)
	p.Click(".settings-new summary")
	p.WaitFor(`document.querySelector(".settings-new").open`)
	checks(p)
	look(p, "keys-form")
	p.Type("#key-name", "report of the museum")
	p.Click(`[name="preset"][value="read"]`)
	p.Click(".settings-new button.primary")
	p.WaitFor(`document.querySelector("#secret") !== null`)
	checks(p)
	look(p, "keys-made")
	text := browser.Eval[string](p, `document.querySelector("#secret").value`)
	if !strings.HasPrefix(text, "rollcall_") || strings.Contains(browser.Eval[string](p, `location.href`), text[9:]) {
		t.Fatalf("the key is %.12q…, the address %s", text, browser.Eval[string](p, `location.href`))
	}
	reader := client.New(o.receiver, client.WithKey(text))
	if who, err := reader.Caller(t.Context()); err != nil || len(who.Scopes) != 1 || who.Scopes[0] != api.ScopeRead {
		t.Errorf("the key is %+v, %v", who, err)
	}
	p.Go(o.url + "/settings/keys")
	if browser.Eval[bool](p, `document.documentElement.outerHTML.includes("`+text[len(text)-20:]+`") || document.querySelector("#secret") !== null`) {
		t.Error("the key is shown a second time")
	}
	p.Click(`#live tbody tr:first-child .sure summary`)
	p.WaitFor(`document.querySelector("#live tbody tr:first-child .sure").open`)
	checks(p)
	look(p, "keys-ask")
	p.Click(`#live tbody tr:first-child .danger`)
	p.WaitFor(`document.querySelector("#live tbody tr:first-child .badge").textContent === "Revoked"`)
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("The key is revoked")`)
	wait.Until(t, "the key is refused", func() bool {
		_, err := reader.Caller(t.Context())
		return err != nil && strings.Contains(err.Error(), "revoked")
	})
	checks(p)
}

// The test button says in words how a delivery went, and the log shows what was sent.
func TestBrowserWebhooks(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.Go(o.url + "/settings/webhooks")
	checks(p)
	p.Click(".settings-new summary")
	p.Type("#hook-name", "inside")
	p.Type("#hook-url", "https://10.0.0.1/hook")
	checks(p)
	look(p, "webhooks-form")
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".alert")?.textContent.includes("not a public one")`)
	checks(p)
	browser.Eval[bool](p, `(document.querySelector("#hook-url").value = "", document.querySelector("#hook-name").value = "", true)`)
	p.Type("#hook-name", "badges")
	p.Type("#hook-url", o.target.URL)
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector("#secret")?.value.startsWith("whsec_")`)
	checks(p)
	look(p, "webhook-made")
	p.Go(o.url + "/settings/webhooks")
	p.WaitFor(`document.querySelectorAll("#list tr").length === 1`)
	p.Click("#list a")
	p.WaitFor(`document.querySelector("#test") !== null`)
	p.Click("#test")
	p.WaitFor(`document.querySelector("#test-result.good")?.textContent.includes("answered 200")`)
	checks(p)
	o.target.status.Store(500)
	p.Click("#test")
	p.WaitFor(`document.querySelector("#test-result.bad")?.textContent.includes("answered 500")`)
	checks(p)
	look(p, "webhook-refused")
	o.target.status.Store(slow)
	p.Click("#test")
	p.WaitFor(`document.querySelector("#test-result.bad")?.textContent.includes("no answer within 7 s")`)
	checks(p)
	o.target.status.Store(200)
	p.Click("#pause")
	p.WaitFor(`document.querySelector("#resume") !== null && document.querySelector(".badge").textContent === "Paused"`)
	checks(p)
	p.Click("#resume")
	p.WaitFor(`document.querySelector("#pause") !== null`)
	p.Click(`details:has([value="change"]) summary`)
	browser.Eval[bool](p, `(document.querySelector("#hook-name").value = "", document.querySelector("#hook-url").value = "https://10.0.0.1/hook", true)`)
	p.Type("#hook-name", "door badges")
	p.Click(`[name="types"][value="image.answered"]`)
	checks(p)
	look(p, "webhook-change")
	p.Click(`[value="change"]`)
	p.WaitFor(`document.querySelector(".alert")?.textContent.includes("not a public one")`)
	if name := browser.Eval[string](p, `document.querySelector("#hook-name").value`); name != "door badges" {
		t.Errorf("after a refused change the form says %q, want what was typed", name)
	}
	checks(p)
	browser.Eval[bool](p, `(document.querySelector("#hook-url").value = `+strconv.Quote(o.target.URL+"/door")+`, true)`)
	p.Click(`[value="change"]`)
	p.WaitFor(`document.querySelector("h1")?.textContent.trim() === "door badges" && document.querySelector(".notice")?.textContent.startsWith("Saved.")`)
	if list, err := o.admin.ListWebhooks(t.Context()); err != nil || len(list) != 1 || list[0].URL != o.target.URL+"/door" || len(list[0].Types) != 1 || list[0].Types[0] != "image.answered" {
		t.Errorf("the changed webhook is %+v, %v", list, err)
	}
	checks(p)
	p.Click(`details:has(#from) summary`)
	p.WaitFor(`document.querySelector("details:has(#from)").open`)
	checks(p)
	look(p, "webhook-ask")
	browser.Eval[bool](p, `(document.querySelector("#from").value = String(Number(document.querySelector("#from").value) + 1), true)`)
	p.Click(`[value="replay"]`)
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("sent again from there")`)
	p.Click(`details:has([value="rotate"]) summary`)
	p.Click(`[value="rotate"]`)
	p.WaitFor(`document.querySelector("#secret")?.value.startsWith("whsec_") && document.querySelector(".settings-made").textContent.includes("24 hours")`)
	checks(p)
	o.target.Close()
	p.Click("#test")
	p.WaitFor(`document.querySelector("#test-result.bad")?.textContent.includes("did not arrive")`)
	checks(p)
	look(p, "webhook-away")
}

// Rules are tried before they are saved, and those that were not tried are not saved.
func TestBrowserRetention(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.Go(o.url + "/settings/retention")
	checks(p)
	look(p, "retention")
	p.Type(`[name="days-unknown_person"]`, "30")
	p.Click(`[value="try"]`)
	p.WaitFor(`document.querySelector("#plan")?.textContent === "This would delete nothing now."`)
	checks(p)
	p.Type(`[name="days-no_face"]`, "7")
	p.Click(`[value="save"]`)
	p.WaitFor(`document.querySelector(".alert")?.textContent.includes("other rules than those that you have tried")`)
	rules := func() string {
		got, _, err := o.Store.Retention(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got.String()
	}
	if got := rules(); got != "" {
		t.Errorf("untried rules are saved: %s", got)
	}
	p.Click(`[value="save"]`)
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("The rules are saved")`)
	if got := rules(); !strings.Contains(got, "unknown_person=30") || !strings.Contains(got, "no_face=7") {
		t.Errorf("the rules are %q", got)
	}
	checks(p)
	look(p, "retention-saved")
}

// Declared things are shown as such.
func TestBrowserDeclaredSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, hooks := filepath.Join(dir, "keys.json"), filepath.Join(dir, "webhooks.json")
	for name, text := range map[string]string{
		keys:  `{"keys":[{"name":"ci","id":"ci","sha256":"` + strings.Repeat("ab", 32) + `","scopes":["ingest"]}]}`,
		hooks: `{"webhooks":[{"name":"hr","url":"https://hr.example.com/rollcall","secret":"whsec_` + strings.Repeat("QUFB", 8) + `"}]}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := newOffice(t, func(opts *receiver.Options) {
		opts.KeysFile, opts.Webhooks.File = keys, hooks
		opts.Retention = faces.Retention{{Outcome: "no_face", Days: 7}}
	})
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.Go(o.url + "/settings/keys")
	p.WaitFor(`document.querySelector("#declared")?.parentElement.textContent.includes("ROLLCALL_KEYS_FILE")`)
	checks(p)
	look(p, "keys-declared")
	p.Go(o.url + "/settings/retention")
	p.WaitFor(`document.querySelector(".settings-result")?.textContent.includes("ROLLCALL_RETENTION")`)
	p.Click(`[value="try"]`)
	p.WaitFor(`document.querySelector("#setting")?.value === "ROLLCALL_RETENTION=no_face=7"`)
	if browser.Eval[bool](p, `document.querySelector('[value="save"]') !== null`) {
		t.Error("declared rules can be saved")
	}
	checks(p)
	look(p, "retention-declared")
	wait.Until(t, "the declared webhook is there", func() bool {
		list, err := o.Store.Webhooks(t.Context())
		return err == nil && len(list) == 1
	})
	p.Go(o.url + "/settings/webhooks")
	p.Click("#list a")
	p.WaitFor(`document.querySelector("#live")?.textContent.includes("ROLLCALL_WEBHOOKS_FILE")`)
	if browser.Eval[bool](p, `document.querySelector('[value="rotate"]') !== null`) {
		t.Error("a declared webhook can get another secret here")
	}
	checks(p)
}

// Another threshold is tried: the page says what would change, and how to use it.
func TestBrowserThreshold(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.Go(o.url + "/settings/matching")
	checks(p)
	browser.Eval[bool](p, `(document.querySelector("#threshold").value = "", true)`)
	p.Type("#threshold", "2")
	p.Press(browser.Enter)
	p.WaitFor(`location.pathname.startsWith("/settings/matching/")`)
	p.WaitFor(`document.querySelector("#live .badge")?.textContent === "Preview"`)
	p.WaitFor(`document.querySelector("#patch")?.textContent.includes('{name: ROLLCALL_THRESHOLD, value: "2"}')`)
	if browser.Eval[bool](p, `document.querySelector('[value="apply"]') !== null`) {
		t.Error("a trial can be applied")
	}
	p.WaitFor(`document.querySelectorAll("#list tr").length > 0`)
	checks(p)
	look(p, "trial")
	if got := o.whoIs("stranger.png"); got[0] != "" {
		t.Errorf("a preview changed an answer: %v", got)
	}
	p.Go(o.url + "/settings/matching")
	p.WaitFor(`document.querySelectorAll("#list tr").length > 0`)
	checks(p)
	look(p, "matching")
	p.Click(`[value="try"]`)
	p.WaitFor(`document.querySelector(".alert")?.textContent.includes("This is the rule in use")`)
	checks(p)
}

// Known people that changed are previewed, applied and undone.
func TestBrowserRematch(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.Go(o.url + "/settings/matching")
	p.Click(`[value="again"]`)
	p.WaitFor(`location.pathname.startsWith("/settings/matching/")`)
	p.WaitFor(`document.querySelector("#live .badge")?.textContent === "Preview"`)
	checks(p)
	p.Click(`[value="apply"]`)
	p.WaitFor(`document.querySelector("#live .badge")?.textContent === "Applied"`)
	p.Click(".sure summary")
	p.Click(`[value="undo"]`)
	p.WaitFor(`document.querySelector("#live .badge")?.textContent === "Undone"`)
	checks(p)
}

// settingsPages are the pages of settings, as far as they need nothing made before.
func settingsPages() []string {
	return []string{
		"/settings/keys", "/users", "/sessions", "/settings/webhooks", "/settings/matching", "/settings/retention",
		"/settings/consents", "/settings/consents?within=365", "/settings/audit", "/settings/audit?target=user&id=1",
		"/settings/audit?since=soon", "/settings/webhooks/9", "/settings/matching/999",
	}
}

// Every page of settings is whole on every screen.
func TestBrowserSettingsPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.consent(10)
	made, err := o.admin.CreateWebhook(t.Context(), api.WebhookRequest{Name: "badges", URL: o.target.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.admin.TestWebhook(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	trial := 0.9
	if _, err := o.admin.CreateRematch(t.Context(), api.RematchRequest{Threshold: &trial}); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the trial is ready", func() bool {
		job, err := o.Store.Rematch(t.Context(), 1)
		return err == nil && job.State == history.Ready
	})
	b := browser.Start(t)
	o.signIn(b, "ada", browser.Laptop).Close() // its cookie is that of all tabs
	for name, screen := range map[string]browser.Screen{"laptop": browser.Laptop, "night": browser.Night, "phone": browser.Phone, "wall": browser.Wall} {
		p := b.Open(o.url+"/settings/keys", screen)
		for _, target := range append(settingsPages(), "/settings/webhooks/1", "/settings/matching/1") {
			p.Go(o.url + target)
			if code := p.Text("h1"); strings.Contains(code, "went wrong") {
				t.Errorf("%s: %s", target, code)
			}
			p.CheckFits()
			if name == "phone" || name == "night" {
				checks(p)
			}
			look(p, name+strings.NewReplacer("/", "-", "?", "-").Replace(target))
		}
		p.Close()
	}
}

// A viewer gets a clear refusal, and still reaches the own sessions.
func TestBrowserSettingsOfViewer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "vera", browser.Laptop)
	if browser.Eval[bool](p, `document.querySelector('[data-go="s"]') !== null`) {
		t.Error("a viewer sees the settings in the navigation")
	}
	p.Go(o.url + "/sessions")
	if got := p.Text("h1"); got != "Signed in as vera" || browser.Eval[bool](p, `document.querySelector(".settings-tabs") !== null`) {
		t.Errorf("the sessions of a viewer: %q", got)
	}
	checks(p)
	for _, target := range settingsPages() {
		if target == "/sessions" {
			continue
		}
		p.Go(o.url + target)
		if got := p.Text("h1"); got != "Your role does not allow this" {
			t.Errorf("%s for a viewer: %q", target, got)
		}
	}
	p.CheckFits()
	p.CheckAccess()
}

// Settings are reached, and a key is made, with the keyboard alone.
func TestBrowserSettingsKeyboard(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.signIn(browser.Start(t), "ada", browser.Laptop)
	p.WaitFor(`window.rollcall !== undefined`)
	p.Press("g", "s")
	p.WaitFor(`location.pathname === "/settings/keys" && window.rollcall`)
	reach := func(selector string) {
		t.Helper()
		for range 60 {
			if browser.Eval[bool](p, `document.activeElement.matches('`+selector+`')`) {
				return
			}
			p.Press(browser.Tab)
		}
		t.Fatalf("Tab does not reach %s", selector)
	}
	reach(".settings-new summary")
	p.Press(browser.Enter)
	reach("#key-name")
	p.Press("d", "o", "o", "r")
	reach(`[name="preset"]`)
	p.Press(browser.Down) // read
	reach("#key-expires")
	reach(`[value="make"]`)
	p.Press(browser.Enter)
	p.WaitFor(`document.activeElement.id === "secret" && document.activeElement.value.startsWith("rollcall_")`)
	reach("[data-copy]")
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Copied")`)
	p.CheckQuiet()
}

// Keys are made without JavaScript, too.
func TestBrowserSettingsWithoutScript(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	screen := browser.Laptop
	screen.NoScript = true
	p := browser.Start(t).Open(o.url+"/sign-in", screen)
	p.Type("#name", "ada")
	p.Type("#password", goodPassword)
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector("nav.me bdi") !== null`)
	p.Go(o.url + "/settings/keys")
	p.Click(".settings-new summary")
	p.Type("#key-name", "door")
	p.Click(`.settings-new button.primary`)
	p.WaitFor(`document.querySelector("#secret")?.value.startsWith("rollcall_")`)
	p.Go(o.url + "/settings/keys")
	p.Click(`#live tbody tr:first-child .sure summary`)
	p.Click(`#live tbody tr:first-child .danger`)
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("revoked") && location.search === "?said=revoked"`)
	p.CheckQuiet()
}
