package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxBytes bounds the JSON text of a configuration.
const maxBytes = 1 << 16

// object is a JSON object, its names in order.
type object struct {
	values map[string]json.RawMessage
	order  []string
}

// parseObject splits a JSON object into its fields. Unlike encoding/json's own
// decoding into structs it refuses a field that is given twice and knows upper
// from lower case.
func parseObject(raw json.RawMessage) (object, error) {
	o := object{values: map[string]json.RawMessage{}}
	fail := func(err error) (object, error) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return o, fmt.Errorf("the configuration: %w", err)
	}
	if len(raw) > maxBytes {
		return fail(fmt.Errorf("%d bytes are more than %d", len(raw), maxBytes))
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fail(errors.Join(errors.New("must be a JSON object"), err))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fail(err)
		}
		name, _ := t.(string) // the decoder lets nothing else be a name
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return fail(fmt.Errorf("field %q: %w", Clip(name), err))
		}
		if _, twice := o.values[name]; twice {
			return o, Wrong(Clip(name), "is given twice")
		}
		o.values[name] = v
		o.order = append(o.order, name)
	}
	if _, err := d.Token(); err != nil {
		return fail(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fail(errors.New("something follows the JSON object"))
	}
	return o, nil
}

// Clip shortens text from outside for an error message.
func Clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "..."
	}
	if q := strconv.QuoteToASCII(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}
