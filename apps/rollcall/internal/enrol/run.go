package enrol

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// Options say how to enrol.
type Options struct {
	Jobs   int      // uploads at once
	DryRun bool     // check the pictures and store nothing
	Accept []string // reasons in spite of which to take pictures
	// Told is called after each picture, by one goroutine at a time. It may be nil.
	Told func(done, of int, last PictureResult)
}

// DryRunName is the name of the person for whom a dry run checks the pictures of people
// who are not there yet. The person is hidden, and deleted at the end of the run.
const DryRunName = "(dry run of rollcall enrol)"

// Run enrols the people of a plan. The report is complete also if there is an error,
// which is one that the whole run failed of.
func Run(ctx context.Context, c *client.Client, plan Plan, o Options) (Report, error) {
	r := newRun(c, plan, o)
	err := r.run(ctx)
	r.report.count()
	return r.report, err
}

type run struct {
	client *client.Client
	plan   Plan
	o      Options
	report Report
	people []*person // as in the plan

	standIn *api.PersonDetail // of a dry run

	mu   sync.Mutex // guards done and calls of Told
	done int
	of   int
}

// person is somebody while their pictures are sent.
type person struct {
	id    int64            // 0: nobody takes the pictures
	known map[string]int64 // the pictures of before, by SHA-256

	mu   sync.Mutex        // guards seen
	seen map[string]string // the files of this run, by SHA-256
}

func newRun(c *client.Client, plan Plan, o Options) *run {
	r := &run{client: c, plan: plan, o: o, report: Report{DryRun: o.DryRun, People: []PersonResult{}, Passed: plan.Passed}}
	if r.report.Passed == nil {
		r.report.Passed = []PassedOver{}
	}
	for _, p := range plan.People {
		result := PersonResult{Name: p.Name}
		for _, f := range p.Pictures {
			result.Pictures = append(result.Pictures, PictureResult{File: f.Name, Outcome: NotTried})
		}
		r.report.People = append(r.report.People, result)
		r.people = append(r.people, &person{seen: map[string]string{}})
		r.of += len(p.Pictures)
	}
	return r
}

func (r *run) run(ctx context.Context) (err error) {
	known, err := readDirectory(ctx, r.client)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.removeStandIn(ctx)) }()
	jobs, ctx := errgroup.WithContext(ctx)
	jobs.SetLimit(max(r.o.Jobs, 1))
	for i := range r.people {
		if err = r.findPerson(ctx, known, i); err != nil {
			break
		}
		for j := range r.plan.People[i].Pictures {
			jobs.Go(func() error { return r.picture(ctx, i, j) })
		}
	}
	// What a job failed of is the cause of what failed after it.
	return cmp.Or(jobs.Wait(), err)
}

// findPerson finds a person or adds them. Only errors that end the run are returned.
func (r *run) findPerson(ctx context.Context, known *directory, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result := &r.report.People[i]
	p, note, ok := known.find(result.Name)
	if ok {
		sums, err := knownSums(ctx, r.client, p)
		r.people[i].id, r.people[i].known = p.ID, sums
		result.ID, result.Note = p.ID, note
		return err
	}
	result.New = true
	if r.o.DryRun {
		p, err := r.needStandIn(ctx, known)
		r.people[i].id = p.ID
		return err
	}
	p, err := create(ctx, r.client, result.Name)
	if err == nil {
		known.add(p)
		r.people[i].id, result.ID = p.ID, p.ID
		return nil
	}
	result.New = false
	why, fatal := judge(err)
	if fatal {
		return err
	}
	result.Note = fmt.Sprintf("the person cannot be added: %s", why.Message)
	for j := range result.Pictures {
		r.tell(i, j, PictureResult{Outcome: why.Outcome, Code: why.Code, Message: "the person cannot be added"})
	}
	return nil
}

// needStandIn returns the person for whom a dry run checks pictures of new people.
func (r *run) needStandIn(ctx context.Context, known *directory) (api.PersonDetail, error) {
	if r.standIn != nil {
		return *r.standIn, nil
	}
	p, _, ok := known.find(DryRunName) // of a run that was killed
	if !ok {
		var err error
		if p, err = create(ctx, r.client, DryRunName); err != nil {
			return p, err
		}
	}
	r.standIn = &p
	hidden := true
	_, err := r.client.ChangePerson(ctx, p.ID, client.AnyVersion, api.PersonChange{Hidden: &hidden})
	return p, err
}

func (r *run) removeStandIn(ctx context.Context) error {
	if r.standIn == nil {
		return nil
	}
	// Also after Ctrl-C.
	_, err := r.client.DeletePerson(context.WithoutCancel(ctx), r.standIn.ID, client.AnyVersion)
	if err != nil {
		return fmt.Errorf("delete the person of the dry run, %q: %w", r.standIn.Name, err)
	}
	return nil
}

// picture sends one picture. Only errors that end the run are returned.
func (r *run) picture(ctx context.Context, i, j int) error {
	p, file := r.people[i], r.plan.People[i].Pictures[j]
	if p.id == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	content, err := file.read()
	if err != nil {
		r.tell(i, j, PictureResult{Outcome: Failed, Message: err.Error()})
		return nil
	}
	digest := sha256.Sum256(content)
	sum := hex.EncodeToString(digest[:])
	if id, ok := p.known[sum]; ok {
		r.tell(i, j, PictureResult{Outcome: Known, KnownPicture: id})
		return nil
	}
	if other, ok := p.first(sum, file.Name); !ok {
		r.tell(i, j, PictureResult{Outcome: Repeated, SameAs: other})
		return nil
	}
	result, err := r.send(ctx, p.id, content)
	if ctx.Err() != nil || err != nil {
		return cmp.Or(err, ctx.Err())
	}
	r.tell(i, j, result)
	return nil
}

// first reports whether this file is the first of its content, and otherwise which one
// is.
func (p *person) first(sum, file string) (other string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, ok := p.seen[sum]; ok {
		return other, false
	}
	p.seen[sum] = file
	return "", true
}

func (r *run) send(ctx context.Context, person int64, content []byte) (PictureResult, error) {
	var params api.AddKnownPictureParams
	if len(r.o.Accept) > 0 {
		accept := strings.Join(r.o.Accept, ",")
		params.Accept = &accept
	}
	if r.o.DryRun {
		params.DryRun = &r.o.DryRun
	}
	done, err := r.client.AddKnownPicture(ctx, person, content, params)
	switch {
	case err != nil:
		result, fatal := judge(err)
		if fatal {
			return result, err
		}
		return result, nil
	case done.KnownPicture == nil:
		return PictureResult{Outcome: Checked, Accepted: done.Accepted}, nil
	default:
		return PictureResult{Outcome: Added, KnownPicture: done.KnownPicture.ID, Accepted: done.Accepted}, nil
	}
}

// judge tells what is wrong with one picture or person, and whether it is of no use to
// try the next.
func judge(err error) (result PictureResult, fatal bool) {
	var problem *api.Error
	if !errors.As(err, &problem) {
		return PictureResult{Outcome: Failed, Message: err.Error()}, true
	}
	result = PictureResult{Outcome: Refused, Code: problem.Code, Message: problem.Message, Refusals: problem.Refusals}
	switch problem.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return result, false
	case http.StatusInternalServerError, http.StatusNotFound, http.StatusRequestTimeout:
		result.Outcome = Failed
		return result, false
	default: // no permission, or a service that stayed away
		result.Outcome = Failed
		return result, true
	}
}

func (r *run) tell(i, j int, result PictureResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result.File = r.report.People[i].Pictures[j].File
	r.report.People[i].Pictures[j] = result
	r.done++
	if r.o.Told != nil {
		r.o.Told(r.done, r.of, result)
	}
}
