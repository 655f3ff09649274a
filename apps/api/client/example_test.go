package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
)

// startSystem starts what the examples run against: a receiver, a queue, a processor and
// a recognizer. Its people are coloured squares.
func startSystem() (*smallsystem.System, error) {
	dir, err := os.MkdirTemp("", "rollcall-examples-")
	if err != nil {
		return nil, err
	}
	return smallsystem.Start(context.Background(), dir)
}

func TestMain(m *testing.M) {
	s, err := startSystem()
	if err == nil {
		err = errors.Join(os.Setenv("ROLLCALL_URL", s.URL), os.Chdir(s.Unknown)) // where a reader has the pictures
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := errors.Join(s.Close(), os.RemoveAll(filepath.Dir(s.Unknown))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// awaitAnswer asks until an image has its outcome.
func awaitAnswer(ctx context.Context, c *client.Client, id int64) (api.ImageDetail, error) {
	for {
		img, err := c.GetImage(ctx, id)
		if err != nil || !img.Waits() {
			return img, err
		}
		select {
		case <-ctx.Done():
			return img, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Post the path of a picture, and wait for the answer.
func ExampleClient_PostImage() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := client.New(os.Getenv("ROLLCALL_URL"), client.WithKey(os.Getenv("ROLLCALL_KEY")), client.WithRetry(time.Minute))

	posted, err := c.PostImage(ctx, "group.png") // below the folder of pictures
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := awaitAnswer(ctx, c, posted.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.Status, img.Reason)
	for _, f := range img.Faces {
		name := "nobody known"
		if f.Person != nil {
			name = f.Person.Name
		}
		fmt.Println(name, f.Reason)
	}
	// Output:
	// processed identified
	// Ada identified
	// nobody known unknown_person
}

// Upload files. Each has an entry in the answer, in the order sent.
func ExampleClient_UploadFiles() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := client.New(os.Getenv("ROLLCALL_URL"), client.WithKey(os.Getenv("ROLLCALL_KEY")))

	entries, err := c.UploadFiles(ctx, "ada.png", "stranger.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range entries {
		if e.Error != nil { // such as a file that is no picture
			fmt.Println("refused:", e.Path, e.Error.Message)
			continue
		}
		img, err := awaitAnswer(ctx, c, e.ID)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(img.Reason)
	}
	// Output:
	// identified
	// unknown_person
}

// Make somebody known by a picture. A picture that would do harm is refused, with the
// reasons.
func ExampleClient_AddKnownPicture() {
	ctx := context.Background()
	c := client.New(os.Getenv("ROLLCALL_URL"), client.WithKey(os.Getenv("ROLLCALL_KEY")))

	person, err := c.CreatePerson(ctx, "Mary Somerville")
	if err != nil {
		fmt.Println(err) // CodeConflict: there is somebody with this name
		return
	}
	picture, err := os.ReadFile("ada.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.AddKnownPicture(ctx, person.ID, picture, api.AddKnownPictureParams{})
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.CodePictureRefused {
		for _, r := range refused.Refusals {
			fmt.Println("refused:", r.Reason, r.Person.Name)
		}
	}
	_, err = c.DeletePerson(ctx, person.ID, client.AnyVersion)
	fmt.Println(err)
	// Output:
	// refused: looks_like_other Ada
	// <nil>
}

// Ask who is in a picture, and wait for the answer. Nothing is stored.
func ExampleClient_Identify() {
	ctx := context.Background()
	c := client.New(os.Getenv("ROLLCALL_URL"), client.WithKey(os.Getenv("ROLLCALL_KEY")))

	picture, err := os.ReadFile("group.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	seen, err := c.Identify(ctx, picture)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range seen.Faces {
		if f.Person != nil {
			fmt.Println(f.Person.Name)
		}
	}
	// Output:
	// Ada
}

// Correct a face, if nobody else has changed its image meanwhile, and undo that.
func ExampleClient_AssignFaceIf() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := client.New(os.Getenv("ROLLCALL_URL"), client.WithKey(os.Getenv("ROLLCALL_KEY")))

	posted, err := c.PostImage(ctx, "stranger.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := awaitAnswer(ctx, c, posted.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	name := "Grace Hopper" // a new name makes a new person
	done, err := c.AssignFaceIf(ctx, img.Faces[0].ID, api.FaceAssignment{Name: &name}, img.Version)
	if err != nil {
		fmt.Println(err) // CodeStale: read the image again
		return
	}
	fmt.Println(done.Image.Reason, done.Face.Person.Name)

	_, err = c.AssignFaceIf(ctx, img.Faces[0].ID, api.FaceAssignment{Name: &name}, img.Version)
	var stale *api.Error
	fmt.Println(errors.As(err, &stale), stale.Code)

	undone, err := c.UndoCorrectionIf(ctx, done.Correction.ID, done.Version)
	fmt.Println(undone.Image.Reason, err)
	// Output:
	// identified Grace Hopper
	// true stale
	// unknown_person <nil>
}

// Review: look at what Rollcall is not sure about, page after page, and decide.
func ExampleClient_AllImages() {
	ctx := context.Background()
	c := client.New(os.Getenv("ROLLCALL_URL"), client.WithKey(os.Getenv("ROLLCALL_KEY")))

	unknown := api.ReasonUnknownPerson // then api.ReasonUncertain
	for img, err := range c.AllImages(ctx, api.ListImagesParams{Reason: &unknown}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		detail, err := c.GetImage(ctx, img.ID)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, f := range detail.Faces {
			crop, err := c.GetFaceCrop(ctx, f.ID, api.GetFaceCropParams{}) // to show it to somebody
			if err != nil {
				fmt.Println(err)
				return
			}
			done, err := c.IgnoreFace(ctx, f.ID, detail.Version) // they say: a stranger
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(len(crop) > 0, done.Image.Reason)
		}
		break
	}
	// Output:
	// true no_face
}
