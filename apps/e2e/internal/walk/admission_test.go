package walk

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPodsOf(t *testing.T) {
	t.Parallel()
	pods, err := podsOf(`apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  template:
    metadata: {labels: {app: db}}
    spec: {serviceAccountName: db, hostNetwork: true}
  volumeClaimTemplates:
  - metadata: {name: data}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: job}
spec: {jobTemplate: {spec: {template: {spec: {priorityClassName: low, volumes: [{name: tmp, emptyDir: {}}]}}}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	type pod struct {
		Metadata struct{ Name string }
		Spec     map[string]any
	}
	var got []pod
	for _, text := range pods {
		var p pod
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	db, job := pod{}, pod{}
	db.Metadata.Name, job.Metadata.Name = "admission-db", "admission-job"
	db.Spec = map[string]any{"hostNetwork": true, "volumes": []any{map[string]any{"name": "data", "persistentVolumeClaim": map[string]any{"claimName": "none"}}}}
	job.Spec = map[string]any{"volumes": []any{map[string]any{"name": "tmp", "emptyDir": map[string]any{}}}}
	if diff := cmp.Diff([]pod{db, job}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
