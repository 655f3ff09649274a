package compreface

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw string
		want      params
	}{
		{"of the JavaScript SDK", "det_prob_threshold=0.8?status=true", params{"det_prob_threshold": "0.8", "status": "true"}},
		{"with a subject", "subject=Ada%20L?det_prob_threshold=0.8", params{"subject": "Ada L", "det_prob_threshold": "0.8"}},
		{"three of them", "limit=0?face_plugins=landmarks?status=true", params{"limit": "0", "face_plugins": "landmarks", "status": "true"}},
		{"of the Python SDK", "&limit=0&prediction_count=2", params{"limit": "0", "prediction_count": "2"}},
		{"a name that ends in a question mark", "subject=Who?", params{"subject": "Who?"}},
		{"a name with one", "subject=Who?%3Dis", params{"subject": "Who?=is"}},
		{"a parameter that we do not know", "subject=a?colour=red", params{"subject": "a?colour=red"}},
		{"the first one counts", "limit=1&limit=2", params{"limit": "1"}},
		{"no value", "threshold=&limit", params{"threshold": "", "limit": ""}},
		{"malformed", "subject=100%&limit=1", params{"subject": "100%", "limit": "1"}},
		{"plus", "subject=Ada+L", params{"subject": "Ada L"}},
		{"empty", "", params{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, queryOf(c.raw)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	def := question{predictions: 1}
	for raw, want := range map[string]question{
		"":                                   def,
		"limit=&det_prob_threshold=&status=": def,
		"face_plugins=undefined":             def,
		"face_plugins=age,gender,mask,nose":  def,
		"limit=undefined&prediction_count=null&det_prob_threshold=None": def,
		"limit=3&prediction_count=2":                                    {limit: 3, predictions: 2},
		"det_prob_threshold=0.8&status=True":                            {predictions: 1, detection: 0.8, status: true},
		"face_plugins=calculator,%20landmarks":                          {predictions: 1, embedding: true, landmarks: true},
	} {
		got, err := queryOf(raw).question()
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", raw, got, err, want)
		}
	}
	for _, raw := range []string{"limit=-1", "limit=many", "prediction_count=0", "prediction_count=-1", "det_prob_threshold=1.1", "det_prob_threshold=-0.1", "det_prob_threshold=NaN", "limit=1e3"} {
		_, err := queryOf(raw).question()
		var p *problem
		if !errors.As(err, &p) || p.Code != codeInvalid || p.status != 400 {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestOwns(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/api/v1/recognition/recognize": true, "/api/v1/recognition": true, "/api/v1/detection/x": true,
		"/api/v1/verification/verify": true, "/api/v1/static/key/images/1": true,
		"/api/v1/recognitions": false, "/api/v1/images": false, "/recognition": false, "/": false,
	} {
		if got := Owns(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
