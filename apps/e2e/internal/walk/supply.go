package walk

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	supplyStep = "supply" // its name
	// supplyNamespace is where the pods of this step run.
	supplyNamespace = "rollcall-e2e-supply"
	// controllerNamespace is where policy-controller's own manifests put it.
	controllerNamespace = "cosign-system"
	controllerImage     = "rollcall-e2e-policy-controller:v0.13.1"
	// controllerSource stands for the image in policy-controller's manifests.
	controllerSource = "ko://github.com/sigstore/policy-controller/cmd/webhook"
)

// supplyPolicy is the component verify-images as somebody has it who signs with a key of
// their own: another registry, and a key in place of the workflow's identity. The suffix
// keeps it apart from the component's own policies, which may be in the cluster.
const supplyPolicy = `# Made by apps/e2e.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %s
nameSuffix: -e2e
resources:
- namespace.yaml
components:
- ../../../overlays/components/verify-images
patches:
- target: {kind: ClusterImagePolicy, name: rollcall}
  patch: |
    - op: replace
      path: /spec/images
      value: [{glob: %s/**}]
    - op: replace
      path: /spec/authorities
      value:
      - name: walk
        key:
          data: |
            %s
`

const supplyNamespaceYAML = `apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels: {pod-security.kubernetes.io/enforce: restricted}
`

// versionPodYAML runs a program that prints its version and ends.
const versionPodYAML = `apiVersion: v1
kind: Pod
metadata:
  name: %s
  labels: {app.kubernetes.io/name: e2e}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: program
    image: %s
    imagePullPolicy: IfNotPresent
    args: [-version]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`

// supply is a registry on this machine with signed images, and a namespace of the cluster
// that takes no others.
type supply struct {
	walk     *Walk
	kube     *kube
	tools    string // folder of cosign, crane, docker-registry and policy-controller
	dir      string // scratch
	registry string // host:port, as this machine and the pods reach it
	pull     string // shell command with which a node pulls an image
	stop     []func(context.Context) error
}

// checkSupply shows that the cluster runs a signed image, and refuses one that is not
// signed, one that others have signed, and one that was changed behind its tag or its
// signature.
//
// In a walk through everything it is left out where its tools are missing.
func (w *Walk) checkSupply(ctx context.Context) (err error) {
	s := &supply{walk: w, kube: &kube{namespace: supplyNamespace}}
	if err := s.findTools(ctx); err != nil {
		if w.opts.Only != supplyStep {
			w.say("left out: %s", err)
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	for _, do := range []func(context.Context) error{s.prepare, s.startRegistry, s.installController, s.applyPolicy, s.checkImages, s.checkLayers} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close undoes all that the step did, the last thing first.
func (s *supply) close(ctx context.Context) (err error) {
	for len(s.stop) > 0 {
		last := len(s.stop) - 1
		err = errors.Join(err, s.stop[last](ctx))
		s.stop = s.stop[:last]
	}
	return err
}

func (s *supply) later(do func(context.Context) error) { s.stop = append(s.stop, do) }

func (s *supply) findTools(ctx context.Context) (err error) {
	if s.tools, err = findSigning(s.walk.opts.Root); err != nil {
		return err
	}
	s.pull, err = s.walk.pullCommand(ctx)
	return err
}

// prepare makes a folder with two key pairs: ours and somebody else's.
func (s *supply) prepare(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "rollcall-e2e-supply-"); err != nil {
		return err
	}
	s.later(func(context.Context) error { return os.RemoveAll(s.dir) })
	for _, name := range []string{"ours", "theirs"} {
		if _, err := s.tool(ctx, "cosign", "generate-key-pair", "--output-key-prefix="+s.file(name)); err != nil {
			return err
		}
	}
	return nil
}

// findSigning returns the folder into which apps/setup/signing.sh puts the tools.
func findSigning(root string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(root, "build/tools/signing"))
	if err != nil {
		return "", err
	}
	for _, name := range []string{"cosign", "crane", "docker-registry", "webhook", "policy-controller"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("there is no %s in build/tools/signing: run sh apps/setup/signing.sh", name)
		}
	}
	return dir, nil
}

// pullCommand returns the shell command with which a node pulls the image "$1" from a
// registry without TLS: the user's own, or the one for kind.
func (w *Walk) pullCommand(ctx context.Context) (string, error) {
	if w.opts.Pull != "" {
		return w.opts.Pull, nil
	}
	contextName, err := w.kube.run(ctx, "config", "current-context")
	if err != nil {
		return "", err
	}
	if name, ok := strings.CutPrefix(contextName, "kind-"); ok {
		return "docker exec " + name + `-control-plane ctr --namespace k8s.io images pull --plain-http "$1"`, nil
	}
	return "", errors.New("cannot tell how a node of " + contextName +
		` pulls an image from this machine; set ROLLCALL_E2E_PULL to a shell command that pulls "$1" without TLS (apps/e2e/README.md)`)
}

func (s *supply) file(name string) string { return filepath.Join(s.dir, name) }

// tool runs one of the tools and returns what it prints.
func (s *supply) tool(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.tools, name), args...)
	cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(problems.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// startRegistry starts Debian's registry at the address under which the nodes see this
// machine. Pods see it there, too.
func (s *supply) startRegistry(ctx context.Context) error {
	host, err := s.hostForNodes(ctx)
	if err != nil {
		return err
	}
	listen, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return fmt.Errorf("find a port for the registry: %w", err)
	}
	s.registry = listen.Addr().String()
	if err := listen.Close(); err != nil {
		return err
	}
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n", s.file("registry"), s.registry)
	if err := os.WriteFile(s.file("registry.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	log, err := os.Create(s.file("registry.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, filepath.Join(s.tools, "docker-registry"), "serve", s.file("registry.yaml"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the registry: %w", err)
	}
	s.later(func(context.Context) error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		return nil
	})
	return eventually(ctx, time.Minute, func(ctx context.Context) (string, error) {
		_, err := s.tool(ctx, "crane", "catalog", s.registry)
		return "", err
	})
}

// hostForNodes returns the address of this machine on the way to a node.
func (s *supply) hostForNodes(ctx context.Context) (string, error) {
	nodes, err := s.kube.list(ctx, `{.items[*].status.addresses[?(@.type=="InternalIP")].address}`, "nodes")
	if err != nil {
		return "", err
	}
	if len(nodes) == 0 {
		return "", errors.New("no node has an internal address")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(nodes[0], "9")) // sends nothing
	if err != nil {
		return "", fmt.Errorf("find this machine's address for the nodes: %w", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// installController installs policy-controller if the cluster does not have it.
func (s *supply) installController(ctx context.Context) error {
	in := &kube{namespace: controllerNamespace}
	there, err := in.list(ctx, "{.metadata.name}", "namespace", controllerNamespace, "--ignore-not-found")
	if err != nil {
		return err
	}
	if len(there) > 0 {
		s.walk.say("the cluster has policy-controller already")
		return nil
	}
	if err := s.loadController(ctx); err != nil {
		return err
	}
	manifests, err := s.controllerManifests()
	if err != nil {
		return err
	}
	s.later(func(ctx context.Context) error {
		_, err := in.input(ctx, strings.NewReader(manifests), "delete", "--ignore-not-found", "--filename=-")
		return err
	})
	if _, err := in.input(ctx, strings.NewReader(manifests), "apply", "--filename=-"); err != nil {
		return err
	}
	return in.settled(ctx, s.walk.opts.Patience)
}

// loadController makes an image of policy-controller and brings it to the nodes.
func (s *supply) loadController(ctx context.Context) error {
	command, err := s.walk.loadCommand(ctx)
	if err != nil {
		return err
	}
	if command == "" {
		return fmt.Errorf("set ROLLCALL_E2E_LOAD, so that the nodes get %s", controllerImage)
	}
	program, err := os.ReadFile(filepath.Join(s.tools, "webhook"))
	if err != nil {
		return err
	}
	image, err := tarOf("webhook", program)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "docker", "import", "--change", `ENTRYPOINT ["/webhook"]`, "--change", "USER 65532:65532", "-", controllerImage)
	cmd.Stdin = bytes.NewReader(image)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the image of policy-controller: %w: %s", err, bytes.TrimSpace(out))
	}
	return s.walk.loadImages(ctx, command, controllerImage)
}

// tarOf returns an archive of one program.
func tarOf(name string, content []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	return out.Bytes(), w.Close()
}

// controllerManifests returns policy-controller's own manifests, with our image, and
// without the public transparency log, which needs the network and which a signature
// by a key does not.
func (s *supply) controllerManifests() (string, error) {
	files, err := filepath.Glob(filepath.Join(s.tools, "policy-controller", "*.yaml"))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		text.WriteString("---\n" + strings.NewReplacer(controllerSource, controllerImage, "args: [", `args: ["--disable-tuf",`).Replace(string(content)) + "\n")
	}
	return text.String(), nil
}

// applyPolicy makes the namespace and the policy with our key.
func (s *supply) applyPolicy(ctx context.Context) error {
	key, err := os.ReadFile(s.file("ours.pub"))
	if err != nil {
		return err
	}
	dir := filepath.Join(s.walk.opts.Root, "build", "e2e", "supply")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	indented := strings.ReplaceAll(strings.TrimSpace(string(key)), "\n", "\n            ")
	for name, text := range map[string]string{
		"kustomization.yaml": fmt.Sprintf(supplyPolicy, supplyNamespace, s.registry, indented),
		"namespace.yaml":     fmt.Sprintf(supplyNamespaceYAML, supplyNamespace),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	s.later(func(ctx context.Context) error {
		_, err := s.kube.run(ctx, "delete", "--kustomize="+dir, "--ignore-not-found", "--wait")
		return err
	})
	// The controller answers a moment after it is ready.
	err = eventually(ctx, s.walk.opts.Patience, func(ctx context.Context) (string, error) {
		_, err := s.kube.run(ctx, "apply", "--kustomize="+dir)
		return "", err
	})
	if err != nil {
		return err
	}
	_, err = s.kube.run(ctx, "wait", "--for=condition=Ready", "clusterimagepolicy/rollcall-e2e", "--timeout="+s.walk.opts.Patience.String())
	return err
}
