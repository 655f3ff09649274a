package manifests

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// cluster is what a render describes.
type cluster struct {
	objects      objects
	deployments  []appsv1.Deployment
	statefulSets []appsv1.StatefulSet
	cronJobs     []batchv1.CronJob
	services     []corev1.Service
	accounts     []corev1.ServiceAccount
	configMaps   []corev1.ConfigMap
	secrets      []corev1.Secret
	claims       []corev1.PersistentVolumeClaim // those of StatefulSets, too
	volumes      []corev1.PersistentVolume
	classes      []storagev1.StorageClass
	policies     []networkingv1.NetworkPolicy
	ingresses    []networkingv1.Ingress
	budgets      []policyv1.PodDisruptionBudget
	autoscalers  []autoscalingv2.HorizontalPodAutoscaler
	workloads    []workload

	classesOfPods []schedulingv1.PriorityClass
}

// workload is anything that makes pods.
type workload struct {
	kind, name string
	replicas   *int32
	selector   *metav1.LabelSelector
	pod        corev1.PodTemplateSpec
	job        bool
}

// read turns a render's objects into types; a field that a type does not know is
// an error, as it is a mistake that the API server would silently drop.
func read(list objects) (*cluster, error) {
	c := &cluster{objects: list}
	for _, o := range list {
		var err error
		switch o.kind() {
		case "Deployment":
			err = keep(o, &c.deployments)
		case "StatefulSet":
			err = keep(o, &c.statefulSets)
		case "CronJob":
			err = keep(o, &c.cronJobs)
		case "Service":
			err = keep(o, &c.services)
		case "ServiceAccount":
			err = keep(o, &c.accounts)
		case "ConfigMap":
			err = keep(o, &c.configMaps)
		case "Secret":
			err = keep(o, &c.secrets)
		case "PersistentVolumeClaim":
			err = keep(o, &c.claims)
		case "PersistentVolume":
			err = keep(o, &c.volumes)
		case "StorageClass":
			err = keep(o, &c.classes)
		case "NetworkPolicy":
			err = keep(o, &c.policies)
		case "Ingress":
			err = keep(o, &c.ingresses)
		case "PodDisruptionBudget":
			err = keep(o, &c.budgets)
		case "HorizontalPodAutoscaler":
			err = keep(o, &c.autoscalers)
		case "PriorityClass":
			err = keep(o, &c.classesOfPods)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, d := range c.deployments {
		c.workloads = append(c.workloads, workload{kind: "Deployment", name: d.Name, replicas: d.Spec.Replicas, selector: d.Spec.Selector, pod: d.Spec.Template})
	}
	for _, s := range c.statefulSets {
		c.workloads = append(c.workloads, workload{kind: "StatefulSet", name: s.Name, replicas: s.Spec.Replicas, selector: s.Spec.Selector, pod: s.Spec.Template})
		c.claims = append(c.claims, s.Spec.VolumeClaimTemplates...)
	}
	for _, j := range c.cronJobs {
		c.workloads = append(c.workloads, workload{kind: "CronJob", name: j.Name, pod: j.Spec.JobTemplate.Spec.Template, job: true})
	}
	return c, nil
}

func keep[T any](o object, list *[]T) error {
	var v T
	if err := o.decode(&v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

// container is one of a pod's, with what kind it is.
type container struct {
	corev1.Container
	serves  bool // runs as long as the pod does
	sidecar bool // a native one
}

// containers lists all of a workload's, those that only begin first.
func (w workload) containers() []container {
	var list []container
	for _, c := range w.pod.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		list = append(list, container{Container: c, serves: sidecar, sidecar: sidecar})
	}
	for _, c := range w.pod.Spec.Containers {
		list = append(list, container{Container: c, serves: !w.job})
	}
	return list
}

func (w workload) container(name string) (container, bool) {
	for _, c := range w.containers() {
		if c.Name == name {
			return c, true
		}
	}
	return container{}, false
}

func (w workload) String() string { return w.kind + "/" + w.name }

// program is the name of our own program that a container runs, or "".
func (c container) program() string {
	image := c.Image[strings.LastIndex(c.Image, "/")+1:]
	name, _, _ := strings.Cut(image, ":")
	program, ours := strings.CutPrefix(name, "rollcall-")
	if !ours {
		return ""
	}
	return program
}

func (c container) port(name string) (int32, bool) {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

// runs lists the workloads that run one of our programs as a server.
func (c *cluster) servers() []workload {
	return slices.DeleteFunc(slices.Clone(c.workloads), func(w workload) bool { return w.kind != "Deployment" })
}

func (c *cluster) workload(name string) (workload, bool) {
	for _, w := range c.workloads {
		if w.name == name {
			return w, true
		}
	}
	return workload{}, false
}

// selected lists the workloads whose pods have all the labels.
func (c *cluster) selected(labels map[string]string) []workload {
	var list []workload
	for _, w := range c.workloads {
		if subset(labels, w.pod.Labels) {
			list = append(list, w)
		}
	}
	return list
}

func subset(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func (c *cluster) configMap(name string) (corev1.ConfigMap, bool) {
	i := slices.IndexFunc(c.configMaps, func(m corev1.ConfigMap) bool { return m.Name == name })
	if i < 0 {
		return corev1.ConfigMap{}, false
	}
	return c.configMaps[i], true
}

// secretKeys lists the keys of a Secret, be it rendered or made by External
// Secrets in the cluster.
func (c *cluster) secretKeys(name string) ([]string, bool) {
	for _, s := range c.secrets {
		if s.Name == name {
			var keys []string
			for k := range s.Data {
				keys = append(keys, k)
			}
			return keys, true
		}
	}
	for _, o := range c.objects {
		if o.kind() == "ExternalSecret" && o.text("spec", "target", "name") == name {
			var keys []string
			spec, _ := o["spec"].(map[string]any)
			target, _ := spec["target"].(map[string]any)
			template, _ := target["template"].(map[string]any)
			data, _ := template["data"].(map[string]any)
			for k := range data {
				keys = append(keys, k)
			}
			return keys, true
		}
	}
	return nil, false
}

// value returns what a variable has in the cluster; false where that is known
// there only, or its source is missing.
func (c *cluster) value(e corev1.EnvVar) (string, bool) {
	switch {
	case e.ValueFrom == nil:
		return e.Value, true
	case e.ValueFrom.ConfigMapKeyRef != nil:
		m, _ := c.configMap(e.ValueFrom.ConfigMapKeyRef.Name)
		v, ok := m.Data[e.ValueFrom.ConfigMapKeyRef.Key]
		return v, ok
	default:
		return "", false
	}
}

// env returns a container's variables by name, as far as they are known.
func (c *cluster) env(in container) map[string]string {
	values := map[string]string{}
	for _, e := range in.Env {
		if v, ok := c.value(e); ok {
			values[e.Name] = v
		}
	}
	return values
}

// problems collects what a check finds.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// sortedKeys returns a map's keys in order, so that what is told is the same
// each time.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
