package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// The versions that the renders are held against.
const (
	kubernetesModule = "k8s.io/kubernetes@v1.34.4"
	argoModule       = "github.com/argoproj/argo-cd/v3@v3.2.0"
	kedaModule       = "github.com/kedacore/keda/v2@v2.17.2"
	gatewayModule    = "sigs.k8s.io/gateway-api@v1.4.1"
	secretsModule    = "github.com/external-secrets/external-secrets@v0.19.2"
	signaturesModule = "github.com/sigstore/policy-controller@v0.13.1"
)

// module is the folder of a module, which is fetched where it is not there. The
// tests run without a module of their own, so that go.mod stays as it is.
func module(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", name)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); answer.Dir == "" {
		why := fmt.Sprintf("cannot fetch the schemas of %s: %v %v %s", name, err, jsonErr, answer.Error)
		if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return answer.Dir
}

// schemas holds a compiled schema for each apiVersion and kind.
type schemas struct {
	mu       sync.Mutex // guards what follows: a compiler is for one at a time
	compiler *jsonschema.Compiler
	places   map[string]string // where the compiler finds a kind
}

func kindKey(apiVersion, kind string) string { return apiVersion + " " + kind }

func loadSchemas(t *testing.T) *schemas {
	t.Helper()
	s := &schemas{compiler: jsonschema.NewCompiler(), places: map[string]string{}}
	if err := s.addSwagger(filepath.Join(module(t, kubernetesModule), "api/openapi-spec/swagger.json")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{
		filepath.Join(module(t, argoModule), "manifests/crds/application-crd.yaml"),
		filepath.Join(module(t, argoModule), "manifests/crds/appproject-crd.yaml"),
		filepath.Join(module(t, kedaModule), "config/crd/bases/keda.sh_scaledobjects.yaml"),
		filepath.Join(module(t, gatewayModule), "config/crd/standard/gateway.networking.k8s.io_gateways.yaml"),
		filepath.Join(module(t, gatewayModule), "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
		filepath.Join(module(t, secretsModule), "config/crds/bases/external-secrets.io_externalsecrets.yaml"),
		filepath.Join(module(t, secretsModule), "config/crds/bases/external-secrets.io_secretstores.yaml"),
		filepath.Join(module(t, signaturesModule), "config/300-clusterimagepolicy.yaml"),
	} {
		if err := s.addDefinition(file); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// addSwagger adds the kinds that Kubernetes has built in.
func (s *schemas) addSwagger(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	definitions, _ := doc["definitions"].(map[string]any)
	for name, d := range definitions {
		definition, _ := d.(map[string]any)
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			kind, _ := k.(map[string]any)
			apiVersion := strings.TrimPrefix(fmt.Sprintf("%v/%v", kind["group"], kind["version"]), "/")
			s.places[kindKey(apiVersion, fmt.Sprint(kind["kind"]))] = "kubernetes.json#/definitions/" + name
		}
		strict(definition)
	}
	return s.compiler.AddResource("kubernetes.json", map[string]any{"definitions": definitions})
}

// addDefinition adds the kinds of a CustomResourceDefinition.
func (s *schemas) addDefinition(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, v := range crd.Spec.Versions {
		apiVersion := crd.Spec.Group + "/" + v.Name
		place := apiVersion + "/" + crd.Spec.Names.Kind + ".json"
		schema := v.Schema.OpenAPIV3Schema
		if properties, ok := schema["properties"].(map[string]any); ok {
			properties["metadata"] = map[string]any{"type": "object"}
			properties["apiVersion"], properties["kind"] = map[string]any{"type": "string"}, map[string]any{"type": "string"} // some leave them out
		}
		strict(schema)
		s.places[kindKey(apiVersion, crd.Spec.Names.Kind)] = place
		if err := s.compiler.AddResource(place, schema); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// strict makes JSON Schema of what Kubernetes writes: a property that is not
// named is a mistake, and some texts may be numbers.
func strict(schema map[string]any) {
	if _, ok := schema["properties"]; ok && schema["additionalProperties"] == nil && schema["x-kubernetes-preserve-unknown-fields"] == nil {
		schema["additionalProperties"] = false
	}
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		delete(schema, "type")
		schema["oneOf"] = []any{map[string]any{"type": "string"}, map[string]any{"type": "integer"}}
	}
	delete(schema, "format") // int32 and the like, which say nothing here
	for _, v := range schema {
		descend(v)
	}
}

func descend(v any) {
	switch v := v.(type) {
	case map[string]any:
		strict(v)
	case []any:
		for _, e := range v {
			descend(e)
		}
	}
}

// validate says what is wrong with an object, by its schema.
func (s *schemas) validate(o object) error {
	switch o.kind() {
	case "PodMonitor": // its definition is in no module; its type is
		return o.decode(&monitoringv1.PodMonitor{})
	case "PrometheusRule":
		return o.decode(&monitoringv1.PrometheusRule{})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	place, ok := s.places[kindKey(o.text("apiVersion"), o.kind())]
	if !ok {
		return fmt.Errorf("%s: there is no kind %s in %s", o.ref(), o.kind(), o.text("apiVersion"))
	}
	schema, err := s.compiler.Compile(place)
	if err != nil {
		return fmt.Errorf("compile %s: %w", place, err)
	}
	if err := schema.Validate(map[string]any(o)); err != nil {
		return fmt.Errorf("%s: %w", o.ref(), err)
	}
	return nil
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	s := loadSchemas(t)
	for _, folder := range append(combinations(t), overlays...) {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			for _, o := range load(t, folder, nil).objects {
				if err := s.validate(o); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, name := range []string{"project", "minikube", "aws"} {
		t.Run("argocd/"+name, func(t *testing.T) {
			t.Parallel()
			for _, o := range readFile(t, "argocd/"+name+".yaml") {
				if err := s.validate(o); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, c := range []struct {
		name, folder, ref string
		value             any
		path              []any
	}{
		{"unknown field", "minikube", "StatefulSet/mysql", 1, []any{"spec", "template", "spec", "containers", 0, "readinesProbe"}},
		{"text for a number", "minikube", "Deployment/receiver", "one", []any{"spec", "replicas"}},
		{"required field gone", "minikube", "Deployment/receiver", nil, []any{"spec", "selector"}},
		{"old version", "minikube", "CronJob/redeemer", "batch/v1beta1", []any{"apiVersion"}},
		{"KEDA", "aws", "ScaledObject/processor", "2", []any{"spec", "maxReplicas"}},
		{"External Secrets", "aws", "ExternalSecret/mysql-credentials", "Never", []any{"spec", "target", "deletionPolicy"}},
		{"Gateway API", "tests/aws-gateway", "HTTPRoute/frontend", "0 seconds", []any{"spec", "rules", 0, "timeouts", "request"}},
		{"PodMonitor", "tests/aws-monitoring", "PodMonitor/rollcall", "x", []any{"spec", "podMetricsEndpoint"}},
	} {
		t.Run("broken: "+c.name, func(t *testing.T) {
			t.Parallel()
			list := copyOf(t, "overlays/"+c.folder)
			list.set(c.ref, c.value, c.path...)
			if err := s.validate(list[list.index(c.ref)]); err == nil {
				t.Error("it finds nothing wrong")
			} else {
				t.Log(err)
			}
		})
	}
	t.Run("broken: Argo CD", func(t *testing.T) {
		t.Parallel()
		app := readFile(t, "argocd/aws.yaml")
		app.set("Application/rollcall", true, "spec", "syncPolicy", "automated", "selfheal")
		if err := s.validate(app[0]); err == nil {
			t.Error("it finds nothing wrong")
		}
	})
}
