package manifests

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

func images() []check {
	image := []any{"spec", "template", "spec", "containers", 0, "image"}
	return []check{
		{
			name: "every image has a tag of its own, one for all of ours",
			find: tags,
			broken: []mutation{
				{name: "no tag", edit: func(l *objects) { l.set("Deployment/receiver", "rollcall-receiver", image...) }},
				{name: "latest", edit: func(l *objects) { l.set("StatefulSet/mysql", "mysql:latest", image...) }},
				{name: "port is no tag", edit: func(l *objects) { l.set("StatefulSet/mysql", "localhost:5000/mysql", image...) }},
				{name: "migration of another version", edit: func(l *objects) {
					l.set("Deployment/receiver", "rollcall-receiver:old", "spec", "template", "spec", "initContainers", "migrate", "image")
				}},
				{name: "always pulled", edit: func(l *objects) {
					l.set("Deployment/receiver", "Always", "spec", "template", "spec", "containers", 0, "imagePullPolicy")
				}},
			},
		},
		{
			name: "in the cloud images come from a registry",
			only: onAWS,
			find: registries,
			broken: []mutation{{name: "local image", overlay: "aws", edit: func(l *objects) {
				l.set("Deployment/receiver", "rollcall-receiver:v1", image...)
			}}},
		},
	}
}

// split cuts an image's reference into repository and tag.
func split(image string) (repository, tag string) {
	image, _, _ = strings.Cut(image, "@")
	i := strings.LastIndex(image, ":")
	if i < strings.LastIndex(image, "/") || i < 0 {
		return image, ""
	}
	return image[:i], image[i+1:]
}

func tags(c *cluster) (found problems) {
	first := map[string]string{}
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			repository, tag := split(in.Image)
			if tag == "" || tag == "latest" {
				found.add("%s, %s runs %s: no version is named", w, in.Name, in.Image)
			}
			if in.program() != "" {
				repository = "ours"
			}
			if got, ok := first[repository]; ok && got != tag {
				found.add("%s, %s runs %s, others of %s run %s", w, in.Name, in.Image, repository, got)
			}
			first[repository] = tag
			if in.ImagePullPolicy != corev1.PullIfNotPresent {
				found.add("%s, %s pulls %q", w, in.Name, in.ImagePullPolicy)
			}
		}
	}
	return found
}

func registries(c *cluster) (found problems) {
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if host, _, ok := strings.Cut(in.Image, "/"); in.program() != "" && (!ok || !strings.Contains(host, ".")) {
				found.add("%s, %s runs %s, which no node can pull", w, in.Name, in.Image)
			}
		}
	}
	return found
}
