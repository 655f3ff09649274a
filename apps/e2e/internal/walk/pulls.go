package walk

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// watchEvery is how often pods are looked at for images that cannot be pulled.
const watchEvery = time.Second

// pullFailures are the reasons for which a container waits for an image that
// the node does not have and does not get.
func pullFailures() []string {
	return []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
}

// waiting is why a container of a pod does not run.
type waiting struct{ pod, image, reason string }

// waitingContainers reads what `kubectl get pods --output=json` prints.
func waitingContainers(text string) ([]waiting, error) {
	type container struct {
		Image string `json:"image"`
		State struct {
			Waiting struct {
				Reason string `json:"reason"`
			} `json:"waiting"`
		} `json:"state"`
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Status struct {
				Init       []container `json:"initContainerStatuses"`
				Containers []container `json:"containerStatuses"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read the pods: %w", err)
	}
	var found []waiting
	for _, pod := range list.Items {
		for _, c := range slices.Concat(pod.Status.Init, pod.Status.Containers) {
			if reason := c.State.Waiting.Reason; reason != "" {
				found = append(found, waiting{pod: pod.Metadata.Name, image: c.Image, reason: reason})
			}
		}
	}
	return found, nil
}

// notPulled returns an error if a pod waits for an image that it will not get.
func (k *kube) notPulled(ctx context.Context) error {
	text, err := k.run(ctx, "get", "pods", "--output=json")
	if err != nil {
		return nil //nolint:nilerr // whoever waits for the pods sees it, too
	}
	found, err := waitingContainers(text)
	if err != nil {
		return err
	}
	for _, w := range found {
		if slices.Contains(pullFailures(), w.reason) {
			return fmt.Errorf("pod %s: %s: the node does not have the image %s and cannot pull it; load it into every node "+
				"(ROLLCALL_E2E_LOAD says how, see apps/e2e/README.md), or build it (without -build=false)", w.pod, w.reason, w.image)
		}
	}
	return nil
}

// unlessNotPulled runs do, and cancels it as soon as a pod cannot get its image.
func (k *kube) unlessNotPulled(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go background.Every(ctx, watchEvery, func(ctx context.Context) {
		if err := k.notPulled(ctx); err != nil {
			cancel(err)
		}
	})
	err := do(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

const (
	probeName = "rollcall-e2e-probe"
	// probePodYAML runs nothing: the image has no program. Whether the node has the
	// image is seen by why the container does not run.
	probePodYAML = `apiVersion: v1
kind: Pod
metadata:
  name: rollcall-e2e-probe
  labels: {app.kubernetes.io/name: e2e}
spec:
  automountServiceAccountToken: false
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: probe
    image: %s
    imagePullPolicy: Never
    command: [/none]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`
)

// tryLoad brings an image of a few bytes to the nodes, before minutes are spent
// on building the real ones.
func (w *Walk) tryLoad(ctx context.Context) error {
	command, err := w.loadCommand(ctx)
	if err != nil || command == "" {
		return err
	}
	image := fmt.Sprintf("%s:%d", probeName, time.Now().Unix())
	if err := makeProbe(ctx, image); err != nil {
		return err
	}
	defer func() { _ = exec.CommandContext(ctx, "docker", "image", "rm", image).Run() }()
	if err := w.loadImages(ctx, command, image); err != nil {
		return fmt.Errorf("bring an image to the nodes by %q: %w", command, err)
	}
	if err := w.nodeHas(ctx, image); err != nil {
		return fmt.Errorf("%q reported success, but: %w", command, err)
	}
	w.say("an image reaches the nodes by %s", command)
	return nil
}

// makeProbe makes an image that contains one empty file.
func makeProbe(ctx context.Context, image string) error {
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	if err := errors.Join(tw.WriteHeader(&tar.Header{Name: "empty", Mode: 0o644}), tw.Close()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "docker", "import", "-", image)
	cmd.Stdin = &layer
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker does not make an image; start Docker, or use -build=false if the nodes have the images: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// nodeHas checks that a node can start a pod of the image without pulling it.
func (w *Walk) nodeHas(ctx context.Context, image string) error {
	in := &kube{namespace: "default"}
	if _, err := in.input(ctx, strings.NewReader(fmt.Sprintf(probePodYAML, image)), "apply", "--filename=-"); err != nil {
		return err
	}
	defer func() { _, _ = in.run(ctx, "delete", "pod", probeName, "--ignore-not-found", "--wait=false") }()
	return eventually(ctx, time.Minute, func(ctx context.Context) (string, error) {
		phase, err := in.run(ctx, "get", "pod", probeName, "--output=jsonpath={.status.phase} {.status.containerStatuses[*].state.waiting.reason}")
		if err != nil {
			return "", err
		}
		state, reason, _ := strings.Cut(phase, " ")
		switch {
		case reason == "ErrImageNeverPull":
			return "", final{fmt.Errorf("the node does not have %s; the command in ROLLCALL_E2E_LOAD must import \"$@\" into the nodes' own image store", image)}
		case state == "Failed" || strings.HasSuffix(reason, "Error"):
			return "", nil // it has it: it looked for the program
		}
		return "pod " + probeName + " in namespace default: " + phase, nil
	})
}
