package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seedbed/seedbed/abi/ir"
)

// file puts a file together from a header and data.
func file(head string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	return append(append(b, head...), data...)
}

func parse(b []byte) (*File, error) {
	return Parse("m.safetensors", bytes.NewReader(b), int64(len(b)))
}

func TestParse(t *testing.T) {
	b := file("{\"__metadata__\" : {\"format\":\"pt\"},\n \"b\\u00e9\\ud83d\\ude00\":{\"shape\":[],\"dtype\":\"F64\",\"data_offsets\":[3,11]},"+
		`"a":{"dtype":"BOOL","shape":[3,1],"data_offsets":[0,3]},"e":{"dtype":"F32","shape":[0,4],"data_offsets":[3,3]}}   `,
		[]byte{1, 0, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f})
	f, err := parse(b)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "bé😀", "e"}, f.Names())
	assert.Equal(t, map[string]string{"format": "pt"}, f.Metadata())
	typ, err := f.Type("a")
	require.NoError(t, err)
	assert.Equal(t, "bool[3,1]", typ.String())
	assert.Equal(t, "f64[]", f.Types()["bé😀"].String())
	got, err := f.Read("bé😀")
	require.NoError(t, err)
	assert.Equal(t, 1.0, math.Float64frombits(binary.LittleEndian.Uint64(got)))
	got, err = f.Read("e")
	require.NoError(t, err)
	assert.Empty(t, got)

	p := make([]byte, 2)
	n, err := f.ReadAt("a", p, 1)
	require.NoError(t, err)
	assert.Equal(t, []byte{0, 1}, p[:n])
	n, err = f.ReadAt("a", p, 2)
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, []byte{1}, p[:n])
	_, err = f.ReadAt("a", p, 3)
	assert.Equal(t, io.EOF, err)
	_, err = f.ReadAt("a", p, -1)
	assert.ErrorContains(t, err, "negative offset")
	assert.ErrorContains(t, f.ReadInto("a", p), `tensor "a": the buffer has 2 bytes, bool[3,1] needs 3`)
	r, err := f.Reader("a")
	require.NoError(t, err)
	all, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 0, 1}, all)
	_, err = f.Read("zz")
	assert.ErrorContains(t, err, `m.safetensors: no tensor "zz" among its 3`)
}

func TestParseRefuses(t *testing.T) {
	one := func(name, dtype, shape, offsets string) string {
		return fmt.Sprintf(`"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}`, name, dtype, shape, offsets)
	}
	cases := map[string]struct {
		head string
		data int
		want string
	}{
		"no object":           {``, 0, "does not start with '{'"},
		"leading space":       {` {}`, 0, "does not start with '{'"},
		"array":               {`[]`, 0, "does not start with '{'"},
		"not UTF-8":           {"{\"a\xff\":{}}", 0, "not UTF-8 at byte 3"},
		"unfinished":          {`{"a":{`, 0, "header byte 6: expected a string"},
		"trailing text":       {`{} x`, 0, "expected nothing after"},
		"trailing comma":      {`{` + one("a", "U8", "[1]", "[0,1]") + `,}`, 1, "expected a string"},
		"duplicate tensor":    {`{` + one("a", "U8", "[1]", "[0,1]") + `,` + one(`\u0061`, "U8", "[1]", "[1,2]") + `}`, 2, `tensor "a": is given twice`},
		"duplicate key":       {`{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, `tensor "a": key "dtype" is given twice`},
		"unknown key":         {`{"a":{"dtype":"U8","Shape":[1],"data_offsets":[0,1]}}`, 1, `tensor "a": unknown key "Shape"`},
		"no dtype":            {`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1, `tensor "a": dtype is missing`},
		"no shape":            {`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1, `tensor "a": shape is missing`},
		"no offsets":          {`{"a":{"dtype":"U8","shape":[1]}}`, 1, `tensor "a": data_offsets is missing`},
		"empty name":          {`{` + one("", "U8", "[1]", "[0,1]") + `}`, 1, "the name is empty"},
		"dtype":               {`{` + one("a", "F8_E5M2", "[1]", "[0,1]") + `}`, 1, `dtype "F8_E5M2" is not supported; convert`},
		"dtype case":          {`{` + one("a", "f32", "[1]", "[0,4]") + `}`, 4, `dtype "f32" is not supported`},
		"three offsets":       {`{` + one("a", "U8", "[1]", "[0,1,2]") + `}`, 1, "more than 2 numbers"},
		"one offset":          {`{` + one("a", "U8", "[1]", "[0]") + `}`, 1, "holds 1 numbers, not 2"},
		"negative offset":     {`{` + one("a", "U8", "[1]", "[-1,0]") + `}`, 1, "expected a whole number"},
		"huge offset":         {`{` + one("a", "U8", "[1]", "[0,9223372036854775808]") + `}`, 1, "expected a whole number"},
		"fraction":            {`{` + one("a", "U8", "[1.0]", "[0,1]") + `}`, 1, "expected ',' or ']'"},
		"leading zero":        {`{` + one("a", "U8", "[01]", "[0,1]") + `}`, 1, "expected a whole number"},
		"null shape":          {`{` + one("a", "U8", "null", "[0,1]") + `}`, 1, "expected '['"},
		"rank":                {`{` + one("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") + `}`, 1, "more than 8 numbers"},
		"dimension":           {`{` + one("a", "U8", "[4294967297]", "[0,1]") + `}`, 1, "dimension 0 is too large"},
		"element overflow":    {`{` + one("a", "U8", "[2147483647,2147483647,4]", "[0,4]") + `}`, 4, "elements"},
		"backwards":           {`{` + one("a", "U8", "[1]", "[1,0]") + `}`, 1, "end before they begin"},
		"size":                {`{` + one("a", "F32", "[2]", "[0,4]") + `}`, 4, "hold 4 bytes, f32[2] needs 8"},
		"gap at start":        {`{` + one("a", "U8", "[1]", "[1,2]") + `}`, 2, "begins at byte 1 of the data, but the tensors before it end at 0"},
		"gap":                 {`{` + one("a", "U8", "[1]", "[0,1]") + `,` + one("b", "U8", "[1]", "[2,3]") + `}`, 3, `tensor "b": begins at byte 2`},
		"overlap":             {`{` + one("a", "U8", "[2]", "[0,2]") + `,` + one("b", "U8", "[2]", "[1,3]") + `}`, 3, `tensor "b": begins at byte 1 of the data, inside tensor "a"`},
		"same place":          {`{` + one("a", "U8", "[2]", "[0,2]") + `,` + one("b", "U8", "[2]", "[0,2]") + `}`, 2, "inside tensor"},
		"empty inside":        {`{` + one("a", "U8", "[2]", "[0,2]") + `,` + one("b", "U8", "[0]", "[1,1]") + `}`, 2, "inside tensor"},
		"cut short":           {`{` + one("a", "U8", "[4]", "[0,4]") + `}`, 3, "the file is cut short"},
		"data left over":      {`{` + one("a", "U8", "[4]", "[0,4]") + `}`, 5, "the data has 5 bytes, the tensors fill 4"},
		"metadata number":     {`{"__metadata__":{"a":1}}`, 0, `__metadata__: key "a": header byte 21: expected a string`},
		"metadata twice":      {`{"__metadata__":{},"__metadata__":{}}`, 0, "__metadata__ is given twice"},
		"metadata key twice":  {`{"__metadata__":{"a":"","a":""}}`, 0, `key "a" is given twice`},
		"lone surrogate":      {`{"\ud83d":{}}`, 0, "bad escape"},
		"swapped surrogates":  {`{"\ude00\ud83d":{}}`, 0, "bad escape"},
		"bad escape":          {`{"\x":{}}`, 0, "bad escape"},
		"bad hex":             {`{"\u00g0":{}}`, 0, "bad escape"},
		"control character":   {"{\"\n\":{}}", 0, "control character"},
		"unterminated string": {`{"abc`, 0, "the string does not end"},
		"unterminated escape": {`{"abc\`, 0, "the string does not end"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parse(file(c.head, make([]byte, c.data)))
			require.ErrorContains(t, err, c.want)
			assert.ErrorIs(t, err, ErrFormat)
			assert.ErrorContains(t, err, "m.safetensors: ")
		})
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"empty file":     {nil, "0 bytes are too few"},
		"seven bytes":    {make([]byte, 7), "7 bytes are too few"},
		"header too big": {binary.LittleEndian.AppendUint64(nil, MaxHeader+1), "the limit is 100000000"},
		"huge length":    {binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "the limit is 100000000"},
		"length past":    {append(binary.LittleEndian.AppendUint64(nil, 3), "{}"...), "only 2 bytes follow"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.bytes)
			require.ErrorContains(t, err, c.want)
			assert.ErrorIs(t, err, ErrFormat)
		})
	}
}

func TestReadRefuses(t *testing.T) {
	b := file(`{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}`, []byte{0, 1, 2})
	f, err := parse(b)
	require.NoError(t, err)
	_, err = f.Read("a")
	assert.ErrorContains(t, err, `tensor "a": element 2 is 2`)
	assert.ErrorIs(t, err, ErrFormat)

	f, err = Parse("m", bytes.NewReader(b[:len(b)-1]), int64(len(b)))
	require.NoError(t, err, "the header is whole")
	_, err = f.Read("a")
	assert.ErrorContains(t, err, `m: tensor "a": the file ends at byte`)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.NotErrorIs(t, err, io.EOF, "which a caller would take for the tensor's end")

	_, err = Open(filepath.Join(t.TempDir(), "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.TempDir())
	assert.ErrorContains(t, err, "not a regular file")
}

func TestWriteBytes(t *testing.T) {
	tensors := []Tensor{
		{"é\"\n\x01", ir.T(ir.Bool, 1), Bytes([]byte{1})},
		{"b", ir.T(ir.F32), Bytes([]byte{1, 2, 3, 4})},
		{"a", ir.T(ir.F32, 1, 1), Bytes([]byte{5, 6, 7, 8})},
		{"z", ir.T(ir.U64, 1), Bytes([]byte("abcdefgh"))},
	}
	want := `{"__metadata__":{"k":"1","l":"2"},"z":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},` +
		`"a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},` +
		`"é\"\n\u0001":{"dtype":"BOOL","shape":[1],"data_offsets":[16,17]}}`
	want += strings.Repeat(" ", (8-len(want)%8)%8)
	var first, second bytes.Buffer
	meta := map[string]string{"l": "2", "k": "1"}
	require.NoError(t, Write(&first, tensors, meta))
	assert.Equal(t, string(file(want, []byte("abcdefgh\x05\x06\x07\x08\x01\x02\x03\x04\x01"))), first.String())
	tensors[0], tensors[3] = tensors[3], tensors[0]
	require.NoError(t, Write(&second, tensors, meta))
	assert.Equal(t, first.Bytes(), second.Bytes(), "the order of the arguments does not count")

	first.Reset()
	require.NoError(t, Write(&first, nil, nil))
	assert.Equal(t, string(file("{}      ", nil)), first.String())
	f, err := parse(first.Bytes())
	require.NoError(t, err)
	assert.Empty(t, f.Names())
	assert.Nil(t, f.Metadata())
}

func TestWriteRefuses(t *testing.T) {
	ok := Bytes([]byte{0})
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		tensors []Tensor
		meta    map[string]string
		want    string
	}{
		"empty name":    {[]Tensor{{"", ir.T(ir.U8, 1), ok}}, nil, "the name is empty"},
		"reserved":      {[]Tensor{{"__metadata__", ir.T(ir.U8, 1), ok}}, nil, "reserves this name"},
		"not UTF-8":     {[]Tensor{{"\xff", ir.T(ir.U8, 1), ok}}, nil, "not UTF-8"},
		"twice":         {[]Tensor{{"a", ir.T(ir.U8, 1), ok}, {"a", ir.T(ir.F32), ok}}, nil, `tensor "a": is given twice`},
		"no data":       {[]Tensor{{"a", ir.T(ir.U8, 1), nil}}, nil, "no data function"},
		"dtype":         {[]Tensor{{"a", ir.T(ir.Invalid, 1), ok}}, nil, "invalid dtype"},
		"shape":         {[]Tensor{{"a", ir.T(ir.U8, -1), ok}}, nil, "negative"},
		"too few bytes": {[]Tensor{{"a", ir.T(ir.U8, 2), ok}}, nil, `tensor "a": 1 bytes were written, u8[2] needs 2`},
		"too many":      {[]Tensor{{"a", ir.T(ir.U8, 0), ok}}, nil, "more than its 0 bytes"},
		"bad bool":      {[]Tensor{{"a", ir.T(ir.Bool, 1), Bytes([]byte{2})}}, nil, "element 0 is 2"},
		"callback":      {[]Tensor{{"a", ir.T(ir.U8, 1), func(io.Writer) error { return boom }}}, nil, `tensor "a": boom`},
		"lost error": {[]Tensor{{"a", ir.T(ir.U8, 1), func(w io.Writer) error {
			_, _ = w.Write([]byte{1, 2})
			_, _ = w.Write([]byte{1})
			return nil
		}}}, nil, "more than its 1 bytes"},
		"metadata": {nil, map[string]string{"k": "\xff"}, `metadata key "k"`},
		"header":   {nil, map[string]string{"k": strings.Repeat("x", MaxHeader)}, "the limit is 100000000"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorContains(t, Write(io.Discard, c.tensors, c.meta), c.want)
		})
	}
	w := &failing{left: 20}
	assert.ErrorIs(t, Write(w, []Tensor{{"a", ir.T(ir.U8, 1), ok}}, nil), errFull)
	w = &failing{left: 72}
	err := Write(w, []Tensor{{"a", ir.T(ir.U8, 1000), Bytes(make([]byte, 1000))}}, nil)
	assert.ErrorIs(t, err, errFull)
	assert.ErrorContains(t, err, `tensor "a"`)
}

var errFull = errors.New("full")

// failing takes left bytes, then fails.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// Whatever tensors are written come back, and writing what was read gives the same bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := map[string][]byte{}
		var tensors []Tensor
		for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 12, -1), 0, 6, rapid.ID).Draw(t, "names") {
			if name == metadataKey {
				continue
			}
			typ := ir.T(rapid.SampledFrom(ir.DTypes()).Draw(t, "dtype"), rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(t, "shape")...)
			b := rapid.SliceOfN(rapid.Byte(), typ.Bytes(), typ.Bytes()).Draw(t, "data")
			if typ.DType == ir.Bool {
				for i := range b {
					b[i] &= 1
				}
			}
			data[name] = b
			tensors = append(tensors, Tensor{name, typ, Bytes(b)})
		}
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		var out bytes.Buffer
		require.NoError(t, Write(&out, tensors, meta))
		f, err := parse(out.Bytes())
		require.NoError(t, err)
		require.Len(t, f.Names(), len(tensors))
		if len(meta) > 0 {
			require.Equal(t, meta, f.Metadata())
		}
		for _, x := range tensors {
			got, err := f.Read(x.Name)
			require.NoError(t, err)
			require.Equal(t, data[x.Name], got)
			typ, err := f.Type(x.Name)
			require.NoError(t, err)
			require.True(t, typ.Equal(x.Type), "%v is not %v", typ, x.Type)
			require.Zero(t, (f.data+f.tensors[x.Name].begin)%int64(typ.DType.Size()), "aligned to its elements")
		}
		require.Equal(t, out.Bytes(), rewrite(t, f))
	})
}

// rewrite writes what f holds again.
func rewrite(t require.TestingT, f *File) []byte {
	var tensors []Tensor
	for name, typ := range f.Types() {
		tensors = append(tensors, Tensor{name, typ, func(w io.Writer) error {
			r, err := f.Reader(name)
			if err == nil {
				_, err = io.Copy(w, r)
			}
			return err
		}})
	}
	var out bytes.Buffer
	require.NoError(t, Write(&out, tensors, f.Metadata()))
	return out.Bytes()
}

// Files that upstream wrote are read, and written again to the byte.
func TestUpstreamFiles(t *testing.T) {
	paths, err := filepath.Glob(filepath.FromSlash("../../../shared/golden/models/*/*.safetensors"))
	require.NoError(t, err)
	if len(paths) == 0 {
		t.Skip("no golden models beside the repository")
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			f, err := Open(path)
			require.NoError(t, err)
			defer f.Close()
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.NotEmpty(t, f.Names())
			assert.True(t, bytes.Equal(want, rewrite(t, f)))
		})
	}
}

func TestGPT2(t *testing.T) {
	path := filepath.FromSlash("../../../shared/golden/models/gpt2/model.safetensors")
	f, err := Open(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no golden models beside the repository")
	}
	require.NoError(t, err)
	defer f.Close()
	typ, err := f.Type("transformer.h.0.attn.c_attn.weight")
	require.NoError(t, err)
	assert.Equal(t, "f32[32,96]", typ.String())
	b := make([]byte, typ.Bytes())
	require.NoError(t, f.ReadInto("transformer.h.0.attn.c_attn.weight", b))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(whole)
	assert.Equal(t, whole[8+n+384:][:len(b)], b, "it follows the bias of 96 floats")
	for i := 0; i < len(b); i += 4 {
		x := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
		require.Less(t, math.Abs(float64(x)), 10.0, "weights are small numbers")
	}
}

func FuzzOpen(f *testing.F) {
	var out bytes.Buffer
	require.NoError(f, Write(&out, []Tensor{{"a", ir.T(ir.F32, 2), Bytes(make([]byte, 8))}, {"b", ir.T(ir.Bool), Bytes([]byte{1})}}, map[string]string{"k": "v\n"}))
	f.Add(out.Bytes())
	f.Add(file(`{"\ud83d\ude00":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, nil))
	f.Add(file(`{}`, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parse(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("not a format error: %v", err)
			}
			return
		}
		total := int64(0)
		for _, name := range file.Names() {
			typ, err := file.Type(name)
			require.NoError(t, err)
			require.NoError(t, typ.Check())
			total += int64(typ.Bytes())
			if _, err := file.Read(name); err != nil && typ.DType != ir.Bool {
				t.Fatal(err)
			} else if err != nil {
				return // a bool that is neither 0 nor 1
			}
		}
		require.Equal(t, int64(len(b))-file.data, total)
		again, err := parse(rewrite(t, file))
		require.NoError(t, err)
		require.Equal(t, file.Names(), again.Names())
	})
}
