package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		code int
		says string // on either output
	}{
		"help":                 {[]string{"-h"}, command.ExitOK, "-seed number"},
		"version":              {[]string{"-version"}, command.ExitOK, "chaos "},
		"unknown flag":         {[]string{"-nothing"}, command.ExitUsage, "-nothing"},
		"an argument":          {[]string{"7"}, command.ExitUsage, `unexpected argument "7"`},
		"no images":            {[]string{"-images", "0"}, command.ExitFailed, "-images is 0"},
		"no time":              {[]string{"-minutes", "-1"}, command.ExitFailed, "-minutes is -1"},
		"away too long":        {[]string{"-minutes", "5", "-away", "5m"}, command.ExitFailed, "-away is 5m0s and -minutes is 5"},
		"away for less than 0": {[]string{"-away", "-1s"}, command.ExitFailed, "-away is -1s"},
		"a time that is none":  {[]string{"-minutes", "NaN"}, command.ExitFailed, "-minutes is NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, log bytes.Buffer
			code := command.Run(t.Context(), spec(), test.args, os.LookupEnv, &out, &log)
			if text := out.String() + log.String(); code != test.code || !strings.Contains(text, test.says) {
				t.Errorf("exit code %d, want %d and %q in:\n%s", code, test.code, test.says, text)
			}
		})
	}
}
