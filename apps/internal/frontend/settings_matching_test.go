package frontend_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// ready does what a processor does with a trial that changes nothing.
func (h *house) ready(id int64, margin float64) {
	h.t.Helper()
	ctx := h.t.Context()
	token, ok, err := h.LeaseRematch(ctx, "test", 0, time.Minute)
	h.check(err)
	job, err := h.Rematch(ctx, id)
	h.check(err)
	if !ok || job.State != history.Requested {
		h.t.Fatalf("the lease is free: %v, the job %+v", ok, job)
	}
	job.Basis.Margin, job.Scope = margin, history.ScopeFull
	h.check(h.BeginRematch(ctx, token, job))
	h.check(h.EndRematch(ctx, token, job, history.Ready, "no image changes", nil, 0))
}

// The lines for the overlay are what kustomize takes, and set nothing else.
func TestPatchOfTrial(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	h.check(h.UseModel(t.Context(), model))
	threshold := model.Threshold + 0.05
	job, err := h.api.CreateRematch(t.Context(), api.RematchRequest{Threshold: &threshold})
	h.check(err)
	h.ready(job.ID, model.Margin)
	b := h.browser(h.open())
	b.signIn("ada", goodPassword)
	page := b.get("/settings/matching/1")
	patch := page.Find("#patch").Text()
	if !strings.Contains(patch, "ROLLCALL_THRESHOLD") || strings.Contains(patch, "ROLLCALL_MARGIN") || page.Find("[value=apply]").Length() != 0 {
		t.Fatalf("the page: %s", page.words("main"))
	}
	base, err := filepath.Abs("../../../base/processor")
	h.check(err)
	dir := t.TempDir()
	base, err = filepath.Rel(dir, base)
	h.check(err)
	h.check(os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte("resources: ["+base+"]\n"+patch), 0o600))
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	h.check(err)
	text, err := result.AsYaml()
	h.check(err)
	if got := string(text); strings.Count(got, "ROLLCALL_THRESHOLD") != 1 || !strings.Contains(got, "NSQ_LOOKUP_ADDRESS") || strings.Count(got, "kind: Deployment") != 1 {
		t.Errorf("kustomize makes of it:\n%s", got)
	}
	if p := b.send("/settings/matching/1", "do", "apply"); p.Code != 409 || !strings.Contains(p.words("[role=alert]"), "ROLLCALL_THRESHOLD") {
		t.Errorf("applying it: got %d %q", p.Code, p.words("[role=alert]"))
	}
	set := model
	set.Threshold = threshold
	h.check(h.UseModel(t.Context(), set))
	if p := b.get("/settings/matching/1"); p.Find("#patch").Length() != 0 {
		t.Error("the rule is in use, and the page still says how to set it")
	}
}
