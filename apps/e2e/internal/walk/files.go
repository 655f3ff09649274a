package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
)

const (
	filesPod   = "e2e-files"
	posterPod  = "e2e-poster"
	posterPort = 8080
	// loadPath is the format of the poster's paths. They are links to the
	// samples.
	loadPath  = "load/%05d.jpg"
	loadLinks = 3000
)

// filesPodYAML is a pod with a shell, to link pictures in a volume. Our
// own images have no shell, so it uses nsqd's.
const filesPodYAML = `apiVersion: v1
kind: Pod
metadata:
  name: e2e-files
  labels: {app.kubernetes.io/name: e2e}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: shell
    image: %s
    imagePullPolicy: IfNotPresent
    command: [/bin/sh, -c, "while :; do sleep 3600; done"]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts:
    - {name: known-people, mountPath: /known_people}
    - {name: unknown-people, mountPath: /unknown_people}
  volumes:
  - {name: known-people, persistentVolumeClaim: {claimName: known-people}}
  - {name: unknown-people, persistentVolumeClaim: {claimName: unknown-people}}
`

// posterPodYAML returns the poster with a tag, entries of its environment, and arguments.
// Where network policies are enforced, it needs one that allows its requests and ours.
func posterPodYAML(tag, env string, args ...string) string {
	list, _ := json.Marshal(append([]string{"post"}, args...)) // texts can be written
	return fmt.Sprintf(posterPodFormat, tag, list, env)
}

const posterPodFormat = `apiVersion: v1
kind: Pod
metadata:
  name: e2e-poster
  labels: {app.kubernetes.io/name: e2e}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: poster
    image: rollcall-e2e:%s
    imagePullPolicy: IfNotPresent
    args: %s
    env: [%s]
    ports: [{containerPort: 8080}]
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: e2e
  labels: {app.kubernetes.io/name: e2e}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: e2e}}
  policyTypes: [Ingress, Egress]
  ingress: [{}]
  egress: [{}]
`

// clientPause has the clients of a lane leave the processors to those of the others.
const clientPause = "-pause=250ms"

// postingPod is a poster that posts and looks at the dashboard.
func postingPod(tag string) string { return posterPodYAML(tag, "", clientPause) }

// comparingPod is a poster that posts more new pictures, and reads and compares answers.
// secret has the API key.
func comparingPod(tag, secret string) string {
	key := fmt.Sprintf("{name: ROLLCALL_KEY, valueFrom: {secretKeyRef: {name: %s, key: key}}}", secret)
	return posterPodYAML(tag, key, "-compare", "-repeat=10", clientPause)
}

// addPod creates a pod and waits until it is ready.
func (w *Walk) addPod(ctx context.Context, name, yaml string) error {
	if _, err := w.kube.input(ctx, strings.NewReader(yaml), "apply", "--filename=-"); err != nil {
		return err
	}
	return w.kube.unlessNotPulled(ctx, func(ctx context.Context) error {
		_, err := w.kube.run(ctx, "wait", "--for=condition=Ready", "pod/"+name, "--timeout=3m")
		return err
	})
}

// removeOurs deletes the pods of this or an earlier run.
func (w *Walk) removeOurs(ctx context.Context) error {
	_, err := w.kube.run(ctx, "delete", "pod,networkpolicy", "--selector=app.kubernetes.io/name=e2e", "--ignore-not-found", "--grace-period=1", "--wait")
	return err
}

// linkLoad creates the poster's pictures as links to the samples. To Rollcall
// each path is a different picture.
func (w *Walk) linkLoad(ctx context.Context, pictures []string) error {
	return w.linkPictures(ctx, "load", loadLinks, pictures)
}

// linkPictures creates as many links to the samples in a folder.
func (w *Walk) linkPictures(ctx context.Context, folder string, links int, pictures []string) error {
	script := fmt.Sprintf(`mkdir -p /unknown_people/%[2]s && cd /unknown_people/%[2]s && i=0
while [ $i -lt %[1]d ]; do
	for picture; do
		[ $i -lt %[1]d ] || break
		ln -sf "../$picture" "$(printf %%05d $i).jpg" && i=$((i + 1)) || exit 1
	done
done`, links, folder)
	_, err := w.kube.run(ctx, append([]string{"exec", filesPod, "--", "sh", "-c", script, "link"}, pictures...)...)
	return err
}

// phase returns the poster's report since the last call.
func (w *Walk) phase(ctx context.Context) (poster.Report, error) {
	var r poster.Report
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.kube.pod(posterPod, posterPort)+"/phase", nil)
	if err != nil {
		return r, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, fmt.Errorf("ask the poster: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return r, fmt.Errorf("ask the poster: %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("ask the poster: %w", err)
	}
	for _, id := range r.Accepted {
		w.accepted[id] = true
	}
	return r, nil
}
