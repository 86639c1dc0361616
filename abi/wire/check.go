package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seedbed/seedbed/abi/ir"
)

// MaxMessageBytes bounds one gRPC message of the ABI, in bytes. Both sides set
// it as their limit of what they send and receive.
const MaxMessageBytes = 64 << 20

// VersionError says that a message needs another ABI than this side speaks.
type VersionError struct {
	What         string // such as "program" and "compile request"
	Major, Minor uint32 // the ABI that it needs
}

// Error returns "the program needs ABI 2.0, this side speaks 1.0".
func (e *VersionError) Error() string {
	if e.Major == 0 {
		return fmt.Sprintf("the %s does not say which ABI it needs (abi_major is 0), this side speaks %d.%d", e.What, ir.ABIMajor, ir.ABIMinor)
	}
	return fmt.Sprintf("the %s needs ABI %d.%d, this side speaks %d.%d", e.What, e.Major, e.Minor, ir.ABIMajor, ir.ABIMinor)
}

// UnknownError says that a message holds a field or an enum value that this
// side does not know.
type UnknownError struct {
	What string // such as "program"
	Path string // of the field, or of the message that holds it; may be empty
	Msg  string // such as "unknown field 17"
}

// Error returns "program: funcs[0].ops[3]: unknown field 17".
func (e *UnknownError) Error() string {
	if e.Path == "" {
		return e.What + ": " + e.Msg
	}
	return e.What + ": " + e.Path + ": " + e.Msg
}

// Check refuses what the protobuf runtime lets through: a message, or one
// within it, that needs another ABI (a *VersionError), and unknown fields and
// enum values anywhere in it (an *UnknownError). What the fields mean is for
// their readers to check.
func Check(m proto.Message) error {
	if m == nil {
		return errors.New("the message is missing")
	}
	r := m.ProtoReflect()
	what := words(string(r.Descriptor().Name()))
	if !r.IsValid() {
		return fmt.Errorf("the %s is missing", what)
	}
	err := check(r)
	var u *UnknownError
	if errors.As(err, &u) {
		u.What = what
	}
	return err
}

// check returns the first error in the order of the message's fields. Paths
// are put together on the way back, so that a sound message costs none.
func check(m protoreflect.Message) error {
	d := m.Descriptor()
	fields := d.Fields()
	// The version first: in a newer message unknown fields are to be expected.
	if major, minor := fields.ByName("abi_major"), fields.ByName("min_minor"); major != nil && minor != nil {
		v := VersionError{What: words(string(d.Name())), Major: uint32(m.Get(major).Uint()), Minor: uint32(m.Get(minor).Uint())}
		if v.Major != ir.ABIMajor || v.Minor > ir.ABIMinor {
			return &v
		}
	}
	if raw := m.GetUnknown(); len(raw) > 0 {
		number, _, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return &UnknownError{Msg: "unknown field without a valid tag"}
		}
		return &UnknownError{Msg: fmt.Sprintf("unknown field %d", number)}
	}
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) {
			continue
		}
		switch name := string(f.Name()); {
		case f.IsMap():
			var err error
			m.Get(f).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				if err = checkValue(f.MapValue(), v); err != nil {
					err = under(name+"["+strconv.Quote(k.String())+"]", err)
				}
				return err == nil
			})
			if err != nil {
				return err
			}
		case f.IsList():
			if f.Message() == nil && f.Enum() == nil {
				continue
			}
			l := m.Get(f).List()
			for k := range l.Len() {
				if err := checkValue(f, l.Get(k)); err != nil {
					return under(name+"["+strconv.Itoa(k)+"]", err)
				}
			}
		default:
			if err := checkValue(f, m.Get(f)); err != nil {
				return under(name, err)
			}
		}
	}
	return nil
}

func checkValue(f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch {
	case f.Message() != nil:
		if !v.Message().IsValid() {
			return &UnknownError{Msg: "the message is missing"}
		}
		return check(v.Message())
	case f.Enum() != nil:
		if f.Enum().Values().ByNumber(v.Enum()) == nil {
			return &UnknownError{Msg: fmt.Sprintf("unknown %s %d", f.Enum().Name(), v.Enum())}
		}
	}
	return nil
}

// under puts name before the path of an error.
func under(name string, err error) error {
	var u *UnknownError
	if errors.As(err, &u) {
		if u.Path != "" {
			name += "."
		}
		u.Path = name + u.Path
	}
	return err
}

// words turns the name of a message into words: "CompileRequest" into
// "compile request".
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
