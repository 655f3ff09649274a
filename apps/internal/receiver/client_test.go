package receiver_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// The Go client and the receiver understand each other on every route.
func TestGoClient(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	c, ctx := apiclient.New(b.url), t.Context()

	posted := must(c.PostImage(ctx, "a.jpg"))
	if posted.ID != 1 || !posted.Queued || !posted.Waits() {
		t.Errorf("posted: %+v", posted)
	}
	entries := must(c.PostImages(ctx, "b.jpg", "/etc/passwd"))
	if entries[0].ID != 2 || entries[0].Error != nil || entries[1].Error == nil || entries[1].Error.Code != api.CodePathNotAllowed {
		t.Errorf("posted: %+v", entries)
	}
	b.see(1, seen(0, "Ada.jpg", 0.25))
	detail := must(c.GetImage(ctx, 1))
	if detail.Reason != api.ReasonIdentified || detail.Waits() || len(detail.Faces) != 1 || detail.Faces[0].Person.Name != "Ada" {
		t.Errorf("answered: %+v", detail)
	}
	name := "Bruno"
	said := must(c.AssignFace(ctx, detail.Faces[0].ID, api.FaceAssignment{Name: &name}))
	if said.Correction.Says != api.SaysIs || said.Image.Person.Name != "Bruno" || said.Face.Person.Name != "Bruno" {
		t.Errorf("corrected: %+v", said)
	}
	if list := must(c.FaceCorrections(ctx, detail.Faces[0].ID)); len(list) != 1 || list[0].UndoneAt != nil {
		t.Errorf("corrections of the face: %+v", list)
	}
	if undone := must(c.UndoCorrection(ctx, said.Correction.ID)); undone.Correction.UndoneAt == nil {
		t.Errorf("undone: %+v", undone)
	}
	if not := must(c.ExcludeFace(ctx, detail.Faces[0].ID, 1)); not.Correction.Says != api.SaysIsNot {
		t.Errorf("not Ada: %+v", not)
	}
	checkDismissed(t, c, detail.Faces[0].ID)
	if list := must(c.ImageCorrections(ctx, 1)); len(list) != 5 || *list[1].FaceID != detail.Faces[0].ID {
		t.Errorf("corrections of the image: %+v", list)
	}
	checkList(t, c)

	if retried := must(c.RetryImage(ctx, 1)); retried.Rescan == nil || retried.Rescan.State != api.ImageRescanWaiting {
		t.Errorf("retried: %+v", retried)
	}
	if n := must(c.RetryImages(ctx, api.RetryFilter{IDs: []int64{1, 99}})); n != 1 {
		t.Errorf("%d images retried, want 1", n)
	}
	checkJobs(t, b, c)
	if ready := must(c.Readiness(ctx)); ready.Status != "ready" {
		t.Errorf("readiness: %+v", ready)
	}
	_, err := c.GetImage(ctx, 99)
	var problem *api.Error
	if !errors.As(err, &problem) || problem.Code != api.CodeNotFound || problem.Status != http.StatusNotFound || problem.RequestID == "" {
		t.Errorf("no such image: %#v", err)
	}
}

func checkList(t *testing.T, c *apiclient.Client) {
	t.Helper()
	one, oldest := 1, api.Oldest
	var ids []int64
	for img, err := range c.AllImages(t.Context(), api.ListImagesParams{Limit: &one, Order: &oldest}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, img.ID)
	}
	expectIDs(t, "all images", ids, []int64{1, 2})
	query, queued := "b.j", api.ReasonQueued
	if got := must(c.ListImages(t.Context(), api.ListImagesParams{Query: &query, Reason: &queued})); len(got.Images) != 1 || got.Images[0].ID != 2 {
		t.Errorf("found: %+v", got)
	}
}

func checkJobs(t *testing.T, b *bench, c *apiclient.Client) {
	t.Helper()
	ctx := t.Context()
	job := must(c.CreateRematch(ctx, api.RematchRequest{Full: true}))
	if job.State != api.RematchRequested || !job.Full || job.Apply || job.StartedAt != nil {
		t.Errorf("re-match: %+v", job)
	}
	b.preview(job.ID, 1)
	detail := must(c.GetRematch(ctx, job.ID, api.GetRematchParams{}))
	if detail.State != api.RematchReady || len(detail.Changes) != 1 || detail.Changes[0].State != api.ChangePlanned || len(detail.Summary) != 1 {
		t.Errorf("preview: %+v", detail)
	}
	if got := must(c.ApplyRematch(ctx, job.ID)); got.State != api.RematchApplying {
		t.Errorf("applied: %+v", got)
	}
	var problem *api.Error
	if _, err := c.UndoRematch(ctx, job.ID); !errors.As(err, &problem) || problem.Code != api.CodeConflict {
		t.Errorf("undone too early: %v", err)
	}
	if list := must(c.ListRematches(ctx, api.ListRematchesParams{})); len(list.Rematches) != 1 || list.Next != nil {
		t.Errorf("re-matches: %+v", list)
	}

	rescan := must(c.CreateRescan(ctx, api.RescanRequest{Model: "new"}))
	if got := must(c.PauseRescan(ctx, rescan.ID)); got.State != api.RescanPaused || got.Model != "new" {
		t.Errorf("paused: %+v", got)
	}
	if got := must(c.ResumeRescan(ctx, rescan.ID)); got.State != api.RescanWaiting {
		t.Errorf("resumed: %+v", got)
	}
	if got := must(c.CancelRescan(ctx, rescan.ID)); got.State != api.RescanCancelled {
		t.Errorf("cancelled: %+v", got)
	}
	failed := api.RescanResultFailed
	if got := must(c.GetRescan(ctx, rescan.ID, api.GetRescanParams{State: &failed})); got.ID != rescan.ID || len(got.Results) != 0 {
		t.Errorf("rescan: %+v", got)
	}
	if list := must(c.ListRescans(ctx, api.ListRescansParams{})); len(list.Rescans) != 1 {
		t.Errorf("rescans: %+v", list)
	}
}

// What the API says of an image that fails is the picture's fault, not the API's.
func TestFaultsAreNoErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.answered("gone.jpg", faces.Failure(faces.Fault(faces.NotFound, "there is no such file")))
	got := read[api.ImageDetail](b.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK))
	if got.Status != api.StatusFailed || got.Reason != api.ReasonNotFound || got.Detail != "there is no such file" {
		t.Errorf("got %+v", got)
	}
}

// The Go client sends its key, acts for users, and manages both.
func TestGoClientKeys(t *testing.T) {
	t.Parallel()
	g := guard(t)
	ctx := t.Context()
	var problem *api.Error
	if _, err := apiclient.New(g.url).Caller(ctx); !errors.As(err, &problem) || problem.Code != api.CodeUnauthorized {
		t.Errorf("without a key: %v", err)
	}
	admin := apiclient.New(g.url, apiclient.WithKey(g.key(access.Limits{}, access.Admin)))
	rate := 0.001
	made := must(admin.CreateKey(ctx, api.KeyRequest{
		Name: "camera", Scopes: []api.KeyScope{api.ScopeIngest, api.ScopeAct}, Limits: &api.KeyLimits{RequestsPerSecond: &rate, Burst: 2},
	}))
	camera := apiclient.New(g.url, apiclient.WithKey(made.Text))
	if who := must(camera.Caller(ctx)); who.ID != made.ID || who.Name != "camera" || who.User != nil {
		t.Errorf("the caller: %+v", who)
	}
	if got := must(admin.SetUser(ctx, "ada", api.RoleViewer)); got.Role != api.RoleViewer {
		t.Errorf("the user: %+v", got)
	}
	if who := must(camera.ActingFor("ada").Caller(ctx)); who.User == nil || who.User.Name != "ada" || len(who.Scopes) != 0 {
		t.Errorf("acting for her: %+v", who)
	}
	if _, err := camera.Caller(ctx); !errors.As(err, &problem) || problem.Code != api.CodeRateLimited || problem.RetryAfter < time.Minute {
		t.Errorf("above the rate: %v", err)
	}
	if list := must(admin.ListKeys(ctx, api.ListKeysParams{})); len(list.Keys) != 2 || list.Keys[0].ID != made.ID || list.Next != nil {
		t.Errorf("the keys: %+v", list)
	}
	if got := must(admin.RevokeKey(ctx, made.ID)); got.RevokedAt == nil {
		t.Errorf("revoked: %+v", got)
	}
	if got := must(admin.GetKey(ctx, made.ID)); got.RevokedAt == nil {
		t.Errorf("the key: %+v", got)
	}
	if _, err := camera.Caller(ctx); !errors.As(err, &problem) || problem.Code != api.CodeKeyRevoked {
		t.Errorf("revoked: %v", err)
	}
	if got := must(admin.GetUser(ctx, "ada")); got.ID != 1 {
		t.Errorf("the user: %+v", got)
	}
	if list := must(admin.ListUsers(ctx, api.ListUsersParams{})); len(list.Users) != 1 {
		t.Errorf("the users: %+v", list)
	}
	if gone := must(admin.DeleteUser(ctx, "ada")); gone.ID != 1 {
		t.Errorf("deleted: %+v", gone)
	}
	if log := must(admin.ListAudit(ctx, api.ListAuditParams{})); len(log.Entries) != 4 || log.Entries[0].Action != "user.delete" {
		t.Errorf("the audit log: %+v", log)
	}
}

// checkDismissed dismisses the face of image 1 twice, and undoes it.
func checkDismissed(t *testing.T, c *apiclient.Client, face int64) {
	t.Helper()
	ctx := t.Context()
	before := must(c.GetImage(ctx, 1))
	ignored := must(c.IgnoreFace(ctx, face, before.Version))
	if ignored.Correction.Says != api.SaysIgnore || ignored.Correction.Person != nil || ignored.Version == before.Version {
		t.Errorf("ignored: %+v", ignored)
	}
	for what, err := range map[string]error{
		"dismissed": problemOf(c.DismissFace(ctx, face, before.Version)),
		"excluded":  problemOf(c.ExcludeFaceIf(ctx, face, 1, before.Version)),
		"assigned":  problemOf(c.AssignFaceIf(ctx, face, api.FaceAssignment{PersonID: &face}, before.Version)),
		"undone":    problemOf(c.UndoCorrectionIf(ctx, ignored.Correction.ID, before.Version)),
	} {
		var problem *api.Error
		if !errors.As(err, &problem) || problem.Code != api.CodeStale {
			t.Errorf("%s by a stale version: %v", what, err)
		}
	}
	none := must(c.DismissFace(ctx, face, apiclient.AnyImage))
	if none.Face.Reason != api.FaceNotAFace || none.ChangedImages.Count != 1 {
		t.Errorf("dismissed: %+v", none)
	}
	must(c.UndoCorrection(ctx, none.Correction.ID))
	drawn := must(c.DrawFace(ctx, 1, api.DrawnFace{Box: api.Box{X: 300, Y: 10, Width: 40, Height: 40}}, apiclient.AnyImage))
	if drawn.Correction.Says != api.SaysDrawn || !drawn.Face.Drawn || drawn.Face.Person != nil {
		t.Errorf("drawn: %+v", drawn)
	}
	must(c.UndoCorrection(ctx, drawn.Correction.ID))
	must(c.UndoCorrectionIf(ctx, ignored.Correction.ID, must(c.GetImage(ctx, 1)).Version))
}

func problemOf(_ api.CorrectedFace, err error) error { return err }
