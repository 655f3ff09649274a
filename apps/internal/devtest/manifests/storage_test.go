package manifests

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

func storage() []check {
	keep := []any{"metadata", "annotations", "argocd.argoproj.io/sync-options"}
	return []check{
		{
			name: "claims say what they want, and outlive a mistake",
			find: claims,
			broken: []mutation{
				{name: "any class", edit: func(l *objects) { l.drop("PersistentVolumeClaim/known-people", "spec", "storageClassName") }},
				{name: "one pod only", edit: func(l *objects) {
					l.set("PersistentVolumeClaim/known-people", "ReadWriteOncePod", "spec", "accessModes", 0)
				}},
				{name: "MySQL shared", edit: func(l *objects) {
					l.set("StatefulSet/mysql", "ReadWriteMany", "spec", "volumeClaimTemplates", 0, "spec", "accessModes", 0)
				}},
				{name: "pruned", edit: func(l *objects) { l.drop("PersistentVolumeClaim/known-people", keep...) }},
				{name: "class deleted with the application", overlay: "aws", edit: func(l *objects) { l.set("StorageClass/rollcall-efs", "Prune=false", keep...) }},
				{name: "class that is not there", overlay: "aws", edit: func(l *objects) {
					l.set("PersistentVolumeClaim/known-people", "rollcall-nfs", "spec", "storageClassName")
				}},
			},
		},
		{
			name: "a second apply finds no difference in a StatefulSet",
			find: claimDefaults,
			broken: []mutation{
				{name: "mode left to Kubernetes", edit: func(l *objects) {
					l.drop("StatefulSet/mysql", "spec", "volumeClaimTemplates", 0, "spec", "volumeMode")
				}},
				{name: "status left to Kubernetes", edit: func(l *objects) { l.drop("StatefulSet/mysql", "spec", "volumeClaimTemplates", 0, "status") }},
			},
		},
		{
			name: "MySQL makes the programs' database, restarts for no setting of theirs, and is back soon",
			find: database,
			broken: []mutation{
				{name: "another database", edit: func(l *objects) { l.set("ConfigMap/pipeline", "faces", "data", "MYSQL_DBNAME") }},
				{name: "away longer than it is", edit: func(l *objects) { l.drop("Service/mysql-clients", "spec", "publishNotReadyAddresses") }},
				{name: "nodes that are not ready", overlay: "tests/aws-galera", edit: func(l *objects) {
					l.set("Service/mysql-clients", true, "spec", "publishNotReadyAddresses")
				}},
				{name: "read from the programs' settings", edit: func(l *objects) {
					l.set("StatefulSet/mysql", map[string]any{"name": "MYSQL_DATABASE", "valueFrom": map[string]any{
						"configMapKeyRef": map[string]any{"name": (*l)[l.index("ConfigMap/pipeline")].name(), "key": "MYSQL_DBNAME"},
					}}, "spec", "template", "spec", "containers", 0, "env", 0)
				}},
			},
		},
		{
			name: "classes of the cloud fit the pods",
			only: onAWS,
			find: classes,
			broken: []mutation{
				{name: "plain text", overlay: "aws", edit: func(l *objects) { l.set("StorageClass/rollcall-gp3", "false", "parameters", "encrypted") }},
				{name: "a zone before the pod has one", overlay: "aws", edit: func(l *objects) { l.set("StorageClass/rollcall-gp3", "Immediate", "volumeBindingMode") }},
				{name: "deleted with the claim", overlay: "aws", edit: func(l *objects) { l.set("StorageClass/rollcall-gp3", "Delete", "reclaimPolicy") }},
				{name: "files of another user", overlay: "aws", edit: func(l *objects) { l.set("StorageClass/rollcall-efs", "1000", "parameters", "uid") }},
			},
		},
		{
			name: "folders of the host must be there",
			only: func(folder string) bool { return strings.HasSuffix(folder, "mount") },
			find: func(c *cluster) (found problems) {
				if len(c.volumes) != 2 {
					found.add("%d volumes for two claims", len(c.volumes))
				}
				for _, v := range c.volumes {
					h, ref := v.Spec.HostPath, v.Spec.ClaimRef
					if h == nil || h.Type == nil || *h.Type != corev1.HostPathDirectory || v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
						found.add("PersistentVolume/%s would be made empty, or emptied", v.Name)
					}
					if ref == nil || !slices.ContainsFunc(c.claims, func(p corev1.PersistentVolumeClaim) bool {
						return p.Name == ref.Name && ref.Namespace == namespace && p.Spec.StorageClassName != nil && *p.Spec.StorageClassName == v.Spec.StorageClassName
					}) {
						found.add("PersistentVolume/%s is for no claim", v.Name)
					}
				}
				return found
			},
			broken: []mutation{
				{name: "made where it is missing", overlay: "tests/minikube-mount", edit: func(l *objects) {
					l.set("PersistentVolume/rollcall-known-people", "DirectoryOrCreate", "spec", "hostPath", "type")
				}},
				{name: "for another claim", overlay: "tests/minikube-mount", edit: func(l *objects) {
					l.set("PersistentVolume/rollcall-known-people", "faces", "spec", "claimRef", "name")
				}},
				{name: "other class", overlay: "tests/minikube-mount", edit: func(l *objects) {
					l.set("PersistentVolumeClaim/known-people", "standard", "spec", "storageClassName")
				}},
			},
		},
	}
}

// database looks at our own MySQL, where there is one.
func database(c *cluster) (found problems) {
	i := slices.IndexFunc(c.workloads, func(w workload) bool { return w.name == "mysql" })
	if i < 0 {
		return nil
	}
	made := ""
	for _, container := range c.workloads[i].containers() {
		for _, v := range container.Env {
			if v.Name == "MYSQL_DATABASE" {
				made = v.Value
			}
			if v.ValueFrom != nil && v.ValueFrom.ConfigMapKeyRef != nil {
				found.add("mysql restarts with every change of ConfigMap/%s, which has %s", v.ValueFrom.ConfigMapKeyRef.Name, v.Name)
			}
		}
	}
	clients, ok := c.service("mysql-clients")
	switch several := *c.workloads[i].replicas > 1; {
	case !several && (!ok || !clients.Spec.PublishNotReadyAddresses):
		found.add("the programs wait for MySQL's probes after it listens")
	case several && clients.Spec.PublishNotReadyAddresses:
		found.add("the programs connect to a node that has lost the others")
	}
	for _, m := range c.configMaps {
		if used, ok := m.Data["MYSQL_DBNAME"]; ok && used != made && len(found) == 0 {
			found.add("mysql makes the database %q, ConfigMap/%s names %q", made, m.Name, used)
		}
	}
	return found
}

func claims(c *cluster) (found problems) {
	var rendered []string
	for _, s := range c.classes {
		rendered = append(rendered, s.Name)
	}
	for _, p := range c.claims {
		want := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		if p.Name == "data" {
			want = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		}
		// On a cluster of one node, a volume of that node is shared by all.
		oneNode := len(c.ingresses) == 0 && p.Name != "data" && slices.Equal(p.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce})
		if !slices.Equal(p.Spec.AccessModes, want) && !oneNode {
			found.add("the claim %s is %v", p.Name, p.Spec.AccessModes)
		}
		if class := p.Spec.StorageClassName; class == nil || len(rendered) > 0 && !slices.Contains(rendered, *class) {
			found.add("the claim %s has no class of ours", p.Name)
		}
		if size := p.Spec.Resources.Requests[corev1.ResourceStorage]; size.IsZero() {
			found.add("the claim %s has no size", p.Name)
		}
	}
	for _, o := range c.objects {
		switch o.kind() {
		case "PersistentVolumeClaim", "PersistentVolume", "StorageClass":
			options := strings.Split(o.annotation("argocd.argoproj.io/sync-options"), ",")
			if !slices.Contains(options, "Prune=false") || !slices.Contains(options, "Delete=false") {
				found.add("%s goes with the application, and with it the pictures", o.ref())
			}
		}
	}
	return found
}

func classes(c *cluster) (found problems) {
	for _, s := range c.classes {
		if s.ReclaimPolicy == nil || *s.ReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
			found.add("StorageClass/%s deletes", s.Name)
		}
		switch s.Provisioner {
		case "ebs.csi.aws.com":
			if s.Parameters["encrypted"] != "true" || s.Parameters["type"] != "gp3" || s.AllowVolumeExpansion == nil || !*s.AllowVolumeExpansion ||
				s.VolumeBindingMode == nil || *s.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
				found.add("StorageClass/%s is not encrypted, cannot grow, or picks a zone first", s.Name)
			}
		case "efs.csi.aws.com":
			for _, w := range c.workloads {
				for _, v := range w.pod.Spec.Volumes {
					if v.PersistentVolumeClaim == nil {
						continue
					}
					user, group := w.pod.Spec.SecurityContext.RunAsUser, w.pod.Spec.SecurityContext.RunAsGroup
					if strconv.FormatInt(*user, 10) != s.Parameters["uid"] || strconv.FormatInt(*group, 10) != s.Parameters["gid"] {
						found.add("StorageClass/%s gives %s files of another user", s.Name, w)
					}
				}
			}
		default:
			found.add("StorageClass/%s is of a kind that no check knows", s.Name)
		}
	}
	return found
}

// claimDefaults: kubectl compares this list as a whole with the one in the cluster, where
// Kubernetes has filled in what was left out.
func claimDefaults(c *cluster) (found problems) {
	for _, s := range c.statefulSets {
		for _, claim := range s.Spec.VolumeClaimTemplates {
			if claim.Spec.VolumeMode == nil || claim.Status.Phase != corev1.ClaimPending {
				found.add("StatefulSet/%s: its claim %s lacks volumeMode or status.phase, which Kubernetes adds", s.Name, claim.Name)
			}
		}
	}
	return found
}
