package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/scaling"
)

// programName is the label that says which program a pod is.
const programName = "app.kubernetes.io/name"

// listedDeployment is what is read of a Deployment.
type listedDeployment struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Replicas int `json:"replicas"`
	} `json:"spec"`
}

// replicas counts the pods of each program. pods has a ready one of each.
func (k *kube) replicas(ctx context.Context) (count map[string]scaling.Replicas, pods map[string]string, err error) {
	var deployments struct{ Items []listedDeployment }
	if err := k.read(ctx, "/apis/apps/v1/namespaces/"+k.namespace+"/deployments", &deployments); err != nil {
		return nil, nil, err
	}
	var list struct{ Items []listedPod }
	if err := k.read(ctx, "/api/v1/namespaces/"+k.namespace+"/pods", &list); err != nil {
		return nil, nil, err
	}
	count, pods = map[string]scaling.Replicas{}, map[string]string{}
	for _, d := range deployments.Items {
		count[d.Metadata.Name] = scaling.Replicas{Wanted: d.Spec.Replicas}
	}
	for _, p := range list.Items {
		program := p.Metadata.Labels[programName]
		n, ok := count[program]
		switch {
		case !ok:
			continue
		case p.stopping():
			n.Stopping++
		case p.ready():
			n.Ready++
			pods[program] = p.Metadata.Name
		}
		count[program] = n
	}
	return count, pods, nil
}

// read reads an object of the API through the proxy.
func (k *kube) read(ctx context.Context, path string, into any) error {
	text, err := get(ctx, k.proxy+path)
	if err == nil {
		err = json.Unmarshal([]byte(text), into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// gauge returns a value of a pod's metrics; NaN if the pod does not tell.
func (w *Walk) gauge(ctx context.Context, pod string, port int, series string) float64 {
	text, err := get(ctx, w.kube.pod(pod, port)+"/metrics")
	if err != nil {
		return math.NaN()
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return v
			}
		}
	}
	return math.NaN()
}
