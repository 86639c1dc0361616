package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// Bounds of the ABI on messages; see the fields in abi/v1.
const (
	MaxConfigBytes = 1 << 20
	MaxDims        = 64
	MaxProperties  = 256
	MaxPropertyLen = 1 << 17 // a bit for each of half a million tokens, in hexadecimal
	MaxMetrics     = 64
	MaxParameters  = 1 << 16
	MaxTags        = 16
	MaxRoles       = 64
	MaxClaims      = 4096
	MaxVersionLen  = 64
	MaxDocLen      = 1024
	MaxShortDocLen = 256
	MaxBindings    = 64
	MaxInline      = 64 << 10 // a tensor within an Execute message
	MaxChunk       = 4 << 20  // a part of an upload or a download
	MaxNumber      = math.MaxInt64
	MaxRelease     = 1 << 16
)

// CheckName returns an error if s is not a name of the ABI: 1 to 256 bytes of
// printable ASCII without space, quote and backslash.
func CheckName(s string) error {
	if err := checkLength(s); err != nil {
		return err
	}
	return checkFields([]ir.Param{{Name: s, Type: ir.T(ir.F32)}})
}

// CheckConfig returns an error if a plugin's configuration is neither empty
// nor a JSON object, or is larger than MaxConfigBytes.
func CheckConfig(config []byte) error {
	if len(config) > MaxConfigBytes {
		return fmt.Errorf("the config has %d bytes, more than %d", len(config), MaxConfigBytes)
	}
	if len(config) > 0 && (!json.Valid(config) || bytes.TrimLeft(config, " \t\r\n")[0] != '{') {
		return errors.New("the config is not a JSON object")
	}
	return nil
}

// DimsToProto returns the message form of a role's sizes. It refuses what
// DimsFromProto would.
func DimsToProto(dims map[string]int) (map[string]uint64, error) {
	out := make(map[string]uint64, len(dims))
	for name, n := range dims {
		if n < 1 {
			return nil, fmt.Errorf("dims: %q is %d, not between 1 and %d", name, n, math.MaxInt32)
		}
		out[name] = uint64(n)
	}
	_, err := DimsFromProto(out)
	return out, err
}

// DimsFromProto returns a role's sizes of their message form.
func DimsFromProto(m map[string]uint64) (map[string]int, error) {
	if len(m) > MaxDims {
		return nil, fmt.Errorf("dims: %d sizes are more than %d", len(m), MaxDims)
	}
	out := make(map[string]int, len(m))
	for _, name := range sorted(m) {
		if err := CheckName(name); err != nil {
			return nil, fmt.Errorf("dims: %w", err)
		}
		if n := m[name]; n < 1 || n > math.MaxInt32 {
			return nil, fmt.Errorf("dims: %q is %d, not between 1 and %d", name, n, math.MaxInt32)
		}
		out[name] = int(m[name])
	}
	return out, nil
}

// CheckProperties returns an error if facts about a dataset are too many, too
// long or badly named.
func CheckProperties(m map[string]string) error {
	if len(m) > MaxProperties {
		return fmt.Errorf("properties: %d are more than %d", len(m), MaxProperties)
	}
	for _, name := range sorted(m) {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("properties: %w", err)
		}
		if n := len(m[name]); n > MaxPropertyLen {
			return fmt.Errorf("properties: %q has %d bytes, more than %d", name, n, MaxPropertyLen)
		}
	}
	return nil
}

// sorted returns the keys of a map in order, so that errors do not depend on
// its.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
