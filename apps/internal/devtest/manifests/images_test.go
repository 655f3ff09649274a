package manifests

import (
	"regexp"
	"slices"
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
		{
			// Before CI has moved the tag for the first time there is none.
			name: "in the cloud all of our images have a digest, or none has",
			only: onAWS,
			find: digests,
			broken: []mutation{
				{name: "one without", overlay: "aws", edit: func(l *objects) {
					setImages(l, "@sha256:"+strings.Repeat("a", 64))
					l.set("Deployment/receiver", "ghcr.io/rollcall-faces/rollcall-receiver:v1", image...)
				}},
				{name: "one that is short", overlay: "aws", edit: func(l *objects) { setImages(l, "@sha256:abc") }},
			},
		},
		{
			name: "with policies for images, each image has one",
			only: func(folder string) bool { return strings.HasSuffix(folder, "verify-images") },
			find: policies,
			broken: []mutation{
				{name: "another registry", overlay: "tests/aws-verify-images", edit: func(l *objects) {
					l.set("Deployment/receiver", "registry.example.com/rollcall-receiver:v1", image...)
				}},
				{name: "another database", overlay: "tests/aws-verify-images", edit: func(l *objects) { l.set("StatefulSet/mysql", "percona:8.4", image...) }},
				{name: "any image of ours without a signature", overlay: "tests/aws-verify-images", edit: func(l *objects) {
					l.set("ClusterImagePolicy/rollcall", []any{map[string]any{"name": "all", "static": map[string]any{"action": "pass"}}}, "spec", "authorities")
				}},
				{name: "a branch's signature", overlay: "tests/aws-verify-images", edit: func(l *objects) {
					l.set("ClusterImagePolicy/rollcall", "^https://github\\.com/rollcall-faces/rollcall/.*$", "spec", "authorities", 0, "keyless", "identities", 0, "subjectRegExp")
				}},
				{name: "warnings alone", overlay: "tests/aws-verify-images", edit: func(l *objects) { l.set("ClusterImagePolicy/rollcall", "warn", "spec", "mode") }},
				{name: "nobody looks", overlay: "tests/aws-verify-images", edit: func(l *objects) {
					l.drop("Namespace/rollcall", "metadata", "labels", "policy.sigstore.dev/include")
				}},
			},
		},
	}
}

// setImages gives every container of a Deployment one of our images with this end.
func setImages(l *objects, end string) {
	for _, name := range []string{"frontend", "processor", "receiver", "recognizer"} {
		l.set("Deployment/"+name, "ghcr.io/rollcall-faces/rollcall-"+name+":v1"+end, "spec", "template", "spec", "containers", 0, "image")
	}
}

var fullDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func digests(c *cluster) (found problems) {
	with, without := 0, 0
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			if in.program() == "" {
				continue
			}
			_, digest, ok := strings.Cut(in.Image, "@")
			switch {
			case !ok:
				without++
			case !fullDigest.MatchString(digest):
				found.add("%s, %s has the digest %q", w, in.Name, digest)
			default:
				with++
			}
		}
	}
	if with > 0 && without > 0 {
		found.add("%d images have a digest, %d have none", with, without)
	}
	return found
}

// glob is a pattern of policy-controller as a regular expression, which * does for all but
// slashes.
func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, "[^/]*") + "$")
}

// resolved is an image's name as policy-controller compares it.
func resolved(image string) string {
	switch host, _, ok := strings.Cut(image, "/"); {
	case !ok:
		return "index.docker.io/library/" + image
	case !strings.ContainsAny(host, ".:"):
		return "index.docker.io/" + image
	}
	return image
}

// ofWorkflow are the commits whose workflow may sign: those that were reviewed.
const ofWorkflow = `/\.github/workflows/images\.yaml@refs/(heads/main|tags/v.*)$`

func policies(c *cluster) (found problems) {
	patterns := map[bool][]*regexp.Regexp{} // by whether a signature is asked for
	for _, o := range c.objects {
		if o.kind() == "Namespace" && o.label("policy.sigstore.dev/include") != "true" {
			found.add("%s has not the label that the controller looks for", o.ref())
		}
		if o.kind() != "ClusterImagePolicy" {
			continue
		}
		if o.text("spec", "mode") != "enforce" {
			found.add("%s refuses nothing", o.ref())
		}
		signed := false
		for _, a := range dig[[]any](o, "spec", "authorities") {
			authority := object(a.(map[string]any))
			for _, i := range dig[[]any](authority, "keyless", "identities") {
				signed = true
				if identity := object(i.(map[string]any)); !strings.HasSuffix(identity.text("subjectRegExp"), ofWorkflow) {
					found.add("%s trusts %s", o.ref(), identity.text("subjectRegExp"))
				}
			}
		}
		for _, i := range dig[[]any](o, "spec", "images") {
			patterns[signed] = append(patterns[signed], glob(object(i.(map[string]any)).text("glob")))
		}
	}
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			ours := in.program() != ""
			if !slices.ContainsFunc(patterns[ours], func(p *regexp.Regexp) bool { return p.MatchString(resolved(in.Image)) }) {
				found.add("%s, %s: no policy for %s (signed: %v)", w, in.Name, in.Image, ours)
			}
		}
	}
	return found
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
