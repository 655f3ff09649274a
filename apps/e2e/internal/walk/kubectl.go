package walk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// kube is a namespace of the cluster in KUBECONFIG, reached with kubectl.
// Services and pods are reached through kubectl proxy.
type kube struct {
	namespace string
	proxy     string // URL of `kubectl proxy`
	stop      func()
}

// connect starts kubectl proxy. Call close to stop it.
func connect(ctx context.Context, namespace string) (*kube, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "kubectl", "proxy", "--port=0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start kubectl proxy: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, address, ok := strings.Cut(strings.TrimSpace(line), "Starting to serve on ")
	if err != nil || !ok {
		cancel()
		return nil, fmt.Errorf("kubectl proxy said %q: %w", line, err)
	}
	return &kube{namespace: namespace, proxy: "http://" + address, stop: func() {
		cancel()
		_ = cmd.Wait()
	}}, nil
}

func (k *kube) close() { k.stop() }

// service returns the URL of a Service's port through the proxy.
func (k *kube) service(name string, port int) string {
	return fmt.Sprintf("%s/api/v1/namespaces/%s/services/%s:%d/proxy", k.proxy, k.namespace, name, port)
}

// pod returns the URL of a pod's port through the proxy.
func (k *kube) pod(name string, port int) string {
	return fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s:%d/proxy", k.proxy, k.namespace, name, port)
}

// run runs kubectl in the namespace and returns its output.
func (k *kube) run(ctx context.Context, args ...string) (string, error) {
	return k.input(ctx, nil, args...)
}

func (k *kube) input(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--namespace=" + k.namespace}, args...)...)
	cmd.Stdin = stdin
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(problems.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// list runs kubectl get with a JSONPath template and returns the words of the
// output.
func (k *kube) list(ctx context.Context, jsonpath string, args ...string) ([]string, error) {
	out, err := k.run(ctx, append(append([]string{"get"}, args...), "--output=jsonpath="+jsonpath)...)
	return strings.Fields(out), err
}

// settled waits until every Deployment and StatefulSet has rolled out. timeout
// is for each of them. It fails at once if a pod cannot get its image.
func (k *kube) settled(ctx context.Context, timeout time.Duration) error {
	return k.unlessNotPulled(ctx, func(ctx context.Context) error { return k.rolledOut(ctx, timeout) })
}

func (k *kube) rolledOut(ctx context.Context, timeout time.Duration) error {
	names, err := k.list(ctx, `{range .items[*]}{.kind}/{.metadata.name}{"\n"}{end}`, "deployments,statefulsets")
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := k.run(ctx, "rollout", "status", name, "--timeout="+timeout.String()); err != nil {
			return err
		}
	}
	return nil
}
