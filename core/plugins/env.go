package plugins

import (
	"os"
	"slices"
	"strings"
)

// passed are the variables of the host's environment that plugins get: what
// a program needs to run at all, to find its files and to be tuned. Tokens and
// keys stay with the host.
var passed = []string{
	"PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ",
	"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK", "GOCOVERDIR", "GORACE",
	// Windows.
	"SYSTEMROOT", "WINDIR", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "PATHEXT", "COMSPEC",
}

// passedPrefixes are the beginnings of further such variables.
var passedPrefixes = []string{"SEEDBED_", "XDG_"}

// Env returns the part of the host's environment that plugins get.
func Env() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		name = strings.ToUpper(name)
		if strings.HasPrefix(name, "SEEDBED_PLUGIN") {
			continue // between a host and one plugin
		}
		if slices.Contains(passed, name) || slices.ContainsFunc(passedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			out = append(out, kv)
		}
	}
	return out
}
