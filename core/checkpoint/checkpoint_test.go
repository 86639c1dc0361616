package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/safetensors"
)

func f32(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func tensor(name string, typ ir.Type, b []byte) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Type: typ, Data: safetensors.Bytes(b)}
}

func state(step uint64) State {
	x := float32(step)
	return State{
		Step: step, Samples: 8 * step, ABI: "1.0", Recipe: "model: gpt2\n# <é>\n",
		Scalars:    []Scalar{{"t", ir.U64, step}, {"beta1_power", ir.F64, math.Float64bits(0.9)}},
		Plugins:    []Plugin{{"model/gpt2", "1.2.3", strings.Repeat("ab", 32)}, {"backend/cpu", "0.1.0", strings.Repeat("0c", 32)}},
		Parameters: []safetensors.Tensor{tensor("b", ir.T(ir.F32, 2), f32(x, -x)), tensor("a", ir.T(ir.BF16, 1), []byte{1, 2})},
		Optimizer:  []safetensors.Tensor{tensor("b.m", ir.T(ir.F32, 2), f32(0.5, x))},
		Metadata:   map[string]string{"format": "pt"},
		Files:      map[string][]byte{"tokenizer.json": []byte("{}"), "recipe.yaml": []byte("model: gpt2\n"), "empty": nil},
	}
}

func save(t *testing.T, dir string, step uint64, keep int) Saved {
	t.Helper()
	saved, err := Save(dir, state(step), keep)
	require.NoError(t, err)
	require.Empty(t, saved.Warnings)
	return saved
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestSaveOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "out")
	saved := save(t, dir, 123, 3)
	assert.Equal(t, filepath.Join(dir, "step-00000123"), saved.Path)
	assert.Equal(t, []string{"empty", "manifest.json", "manifest.sha256", "model.safetensors", "optimizer.safetensors", "recipe.yaml", "tokenizer.json"}, names(t, saved.Path))
	c, err := Open(saved.Path)
	require.NoError(t, err)
	require.NoError(t, c.Verify())
	m := c.Manifest
	assert.Equal(t, saved.Manifest, m)
	assert.Equal(t, []any{FormatVersion, uint64(123), uint64(984), "1.0", state(0).Recipe}, []any{m.FormatVersion, m.Step, m.Samples, m.ABI, m.Recipe})
	assert.Equal(t, []Scalar{{"beta1_power", ir.F64, math.Float64bits(0.9)}, {"t", ir.U64, 123}}, m.Scalars)
	assert.Equal(t, "backend/cpu", m.Plugins[0].Name)
	for _, f := range m.Files {
		b, err := c.ReadFile(f.Name, 1<<20)
		require.NoError(t, err)
		sum := sha256.Sum256(b)
		assert.Equal(t, hex.EncodeToString(sum[:]), f.SHA256)
		assert.EqualValues(t, len(b), f.Size)
	}
	_, err = c.ReadFile("tokenizer.json", 1)
	assert.ErrorContains(t, err, "the limit here is 1")
	_, err = c.ReadFile("../x", 1)
	assert.ErrorContains(t, err, "no file")
	p, err := c.Parameters()
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, map[string]string{"format": "pt"}, p.Metadata())
	b, err := p.Read("b")
	require.NoError(t, err)
	assert.Equal(t, f32(123, -123), b)

	again := save(t, t.TempDir(), 123, 0)
	for _, name := range names(t, saved.Path) {
		x, err := os.ReadFile(filepath.Join(saved.Path, name))
		require.NoError(t, err)
		y, err := os.ReadFile(filepath.Join(again.Path, name))
		require.NoError(t, err)
		assert.Equal(t, x, y, "%s: the same state gives the same bytes", name)
	}
	renamed := filepath.Join(dir, "best")
	require.NoError(t, os.Rename(saved.Path, renamed))
	_, err = Open(renamed)
	assert.NoError(t, err)
	require.NoError(t, os.Rename(renamed, filepath.Join(dir, FolderName(124))))
	_, err = Open(filepath.Join(dir, FolderName(124)))
	assert.ErrorContains(t, err, "the manifest is of step 123")
}

// The framing of the weights' hash, written out by hand.
func TestWeightsSHA256(t *testing.T) {
	var out bytes.Buffer
	nan := []byte{1, 0, 0x80, 0xff} // a signalling, negative NaN
	require.NoError(t, safetensors.Write(&out, []safetensors.Tensor{
		tensor("w", ir.T(ir.F32, 2, 1), append(f32(1), nan...)), tensor("é", ir.T(ir.U8), []byte{7}), tensor("a", ir.T(ir.Bool, 0), nil)}, nil))
	f, err := safetensors.Parse("m", bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	got, err := WeightsSHA256(f)
	require.NoError(t, err)
	n := func(v int) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(v))) }
	want := sha256.Sum256([]byte(n(1) + "a" + n(4) + "bool" + n(1) + n(0) + n(0) +
		n(1) + "w" + n(3) + "f32" + n(2) + n(2) + n(1) + n(8) + "\x00\x00\x80\x3f\x00\x00\xc0\x7f" +
		n(2) + "é" + n(2) + "u8" + n(0) + n(1) + "\x07"))
	assert.Equal(t, hex.EncodeToString(want[:]), got)
}

func TestCanonicalNaN(t *testing.T) {
	for _, c := range []struct {
		dtype    ir.DType
		in, want string
	}{
		{ir.F32, "ffffffff 0000807f 000080ff 0100807f 00000080", "0000c07f 0000807f 000080ff 0000c07f 00000080"},
		{ir.BF16, "ffff 807f 80ff 817f 0080", "c07f 807f 80ff c07f 0080"},
		{ir.F16, "ffff 007c 00fc 017c 0080", "007e 007c 00fc 007e 0080"},
		{ir.F64, "ffffffffffffffff 000000000000f07f 010000000000f0ff", "000000000000f87f 000000000000f07f 000000000000f87f"},
		{ir.U32, "ffffffff", "ffffffff"},
	} {
		in, err := hex.DecodeString(strings.ReplaceAll(c.in, " ", ""))
		require.NoError(t, err)
		original := bytes.Clone(in)
		for piece := 1; piece <= 9; piece++ {
			var out bytes.Buffer
			w := &canonical{w: &out, dtype: c.dtype}
			for rest := in; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				_, err := w.Write(rest[:min(piece, len(rest))])
				require.NoError(t, err)
			}
			assert.Equal(t, strings.ReplaceAll(c.want, " ", ""), hex.EncodeToString(out.Bytes()), "%v in pieces of %d", c.dtype, piece)
		}
		assert.Equal(t, original, in, "the caller's bytes are left alone")
	}
	long := bytes.Repeat([]byte{0xff}, 300_000)
	var out bytes.Buffer
	n, err := (&canonical{w: &out, dtype: ir.F32}).Write(long)
	require.NoError(t, err)
	assert.Equal(t, len(long), n)
	assert.Equal(t, bytes.Repeat([]byte{0, 0, 0xc0, 0x7f}, 75_000), out.Bytes())
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	for step := uint64(1); step <= 4; step++ {
		save(t, dir, step, 2)
	}
	assert.Equal(t, []string{"step-00000003", "step-00000004"}, names(t, dir))
	save(t, dir, 5, 0)
	assert.Len(t, names(t, dir), 3)

	// A damaged one counts for nothing, and a later one is never removed.
	require.NoError(t, os.Remove(filepath.Join(dir, "step-00000005", ModelFile)))
	save(t, dir, 9, 0)
	saved := save(t, dir, 6, 2)
	assert.Equal(t, []string{"step-00000004", "step-00000005", "step-00000006", "step-00000009"}, names(t, dir))
	assert.Equal(t, []string{filepath.Join(dir, "step-00000003")}, saved.Removed)
	_, err := Save(dir, state(10), -1)
	assert.ErrorContains(t, err, "keep is -1")
}

func TestSameStep(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 7, 1)
	assert.True(t, save(t, dir, 7, 1).Existed)
	other := state(7)
	other.Recipe = "changed"
	_, err := Save(dir, other, 1)
	assert.ErrorContains(t, err, "there already and differs")
	assert.Equal(t, []string{"step-00000007"}, names(t, dir))
	flip(t, filepath.Join(dir, "step-00000007", ModelFile), -1)
	assert.False(t, save(t, dir, 7, 1).Existed)
	c, skipped, err := Latest(dir)
	require.NoError(t, err)
	assert.Empty(t, skipped)
	assert.EqualValues(t, 7, c.Manifest.Step)
	assert.Equal(t, []string{"step-00000007"}, names(t, dir))
}

// flip changes one bit of a file; at counts from the end where negative.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[(at+len(b))%len(b)] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o666))
}

// Every byte of every file is guarded; every seventh is tried.
func TestFlippedByte(t *testing.T) {
	dir := t.TempDir()
	path := save(t, dir, 3, 0).Path
	for _, name := range names(t, path) {
		file := filepath.Join(path, name)
		whole, err := os.ReadFile(file)
		require.NoError(t, err)
		for i := 0; i < len(whole); i += 7 {
			flip(t, file, i)
			c, err := Open(path)
			if err == nil {
				err = c.Verify()
			}
			require.Error(t, err, "%s byte %d", name, i)
			// The version's digit may turn into that of a newer version, and is then refused as such.
			require.True(t, errors.Is(err, ErrDamaged) || name == manifestFile && errors.Is(err, ErrNewer), "%s byte %d: %v", name, i, err)
			flip(t, file, i)
		}
		if len(whole) > 0 {
			require.NoError(t, os.WriteFile(file, whole[:len(whole)-1], 0o666))
			_, err = Open(path)
			require.ErrorIs(t, err, ErrDamaged, "%s cut short", name)
			require.ErrorContains(t, err, name)
		}
		require.NoError(t, os.Remove(file))
		_, err = Open(path)
		require.ErrorIs(t, err, ErrDamaged, "%s missing", name)
		require.NoError(t, os.WriteFile(file, whole, 0o666))
	}
	c, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, c.Verify())
}

func TestLatest(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Latest(dir)
	assert.ErrorIs(t, err, ErrNone)
	_, _, err = Latest(filepath.Join(dir, "absent"))
	assert.ErrorIs(t, err, ErrNone)
	for step := uint64(1); step <= 3; step++ {
		save(t, dir, step, 0)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "step-9"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "step-00000009"), nil, 0o666))
	flip(t, filepath.Join(dir, FolderName(3), OptimizerFile), -1)
	require.NoError(t, os.Truncate(filepath.Join(dir, FolderName(2), ModelFile), 10))
	c, skipped, err := Latest(dir)
	require.NoError(t, err)
	assert.EqualValues(t, 1, c.Manifest.Step)
	require.Len(t, skipped, 2)
	assert.ErrorContains(t, skipped[0], "step-00000003: "+ErrDamaged.Error()+": optimizer.safetensors has SHA-256")
	assert.ErrorContains(t, skipped[1], "model.safetensors has 10 bytes, the manifest says")

	edit(t, filepath.Join(dir, FolderName(3)), func(s string) string { return strings.Replace(s, `"format_version": 1`, `"format_version": 2`, 1) })
	_, _, err = Latest(dir)
	require.ErrorIs(t, err, ErrNewer)
	assert.ErrorContains(t, err, "format version 2, this program knows up to 1")
}

// edit changes a manifest and makes its checksum good again.
func edit(t *testing.T, path string, change func(string) string) {
	t.Helper()
	file := filepath.Join(path, manifestFile)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := change(string(b))
	require.NotEqual(t, string(b), changed)
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(path, manifestSum), sumLine([]byte(changed)), 0o666))
}

func TestManifestRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"not JSON":         {`{`, `[`, "manifest.json"},
		"version 0":        {`"format_version": 1`, `"format_version": 0`, "the first is 1"},
		"unknown key":      {`"step"`, `"stop"`, "unknown field"},
		"case":             {`"step"`, `"Step"`, `unknown key "Step"`},
		"twice":            {`"step": 3`, `"step": 3, "step": 3`, `key "step" is given twice`},
		"trailing":         {"]\n}", "]\n}{}", "after top-level value"},
		"negative step":    {`"step": 3`, `"step": -3`, "cannot unmarshal"},
		"parent":           {`"tokenizer.json"`, `"../tokenizer.json"`, "is refused"},
		"absolute":         {`"tokenizer.json"`, `"/etc/passwd"`, "is refused"},
		"backslash":        {`"tokenizer.json"`, `"a\\b"`, "is refused"},
		"drive":            {`"tokenizer.json"`, `"c:x"`, "is refused"},
		"device":           {`"tokenizer.json"`, `"NUL.txt"`, "is refused"},
		"dot":              {`"tokenizer.json"`, `".."`, "is refused"},
		"trailing dot":     {`"tokenizer.json"`, `"zz."`, "is refused"},
		"no name":          {`"tokenizer.json"`, `""`, "is refused"},
		"itself":           {`"tokenizer.json"`, `"manifest.json"`, "reserved or given twice"},
		"same folded":      {`"tokenizer.json"`, `"Recipe.yaml"`, "reserved or given twice"},
		"order":            {`"tokenizer.json"`, `"aaa"`, "out of order"},
		"no model":         {`"model.safetensors"`, `"modem.safetensors"`, `"model.safetensors" is not listed`},
		"size":             {`"size": 0`, `"size": 1125899906842625`, "is not within"},
		"negative size":    {`"size": 0`, `"size": -1`, "is not within"},
		"plugin hash":      {strings.Repeat("ab", 32), "AB" + strings.Repeat("ab", 31), "not 64 lower-case hex digits"},
		"plugin twice":     {`"model/gpt2"`, `"backend/cpu"`, "given twice"},
		"scalar bits":      {`"bits": "0000000000000003"`, `"bits": "03"`, "are not 16 hex digits"},
		"scalar dtype":     {`"dtype": "u64"`, `"dtype": "u65"`, "unknown dtype"},
		"scalar twice":     {`"beta1_power"`, `"t"`, "given twice"},
		"empty abi":        {`"1.0"`, `""`, "abi"},
		"other step":       {`"step": 3`, `"step": 4`, "the manifest is of step 4"},
		"file not there":   {`"tokenizer.json"`, `"tokenizes.json"`, "tokenizes.json"},
		"other size":       {`"size": 0`, `"size": 1`, "has 0 bytes, the manifest says 1"},
		"nested too deep":  {`"plugins": [`, `"plugins": [[[[[[[[[[]]]]]]]]],`, "manifest.json"},
		"scalar other key": {`"bits"`, `"bytes"`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			path := save(t, t.TempDir(), 3, 0).Path
			edit(t, path, func(s string) string { return strings.Replace(s, c.old, c.new, 1) })
			_, err := Open(path)
			require.ErrorContains(t, err, c.want)
			assert.ErrorIs(t, err, ErrDamaged)
		})
	}
	_, err := Open(filepath.Join(t.TempDir(), "absent"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(t.TempDir())
	assert.ErrorContains(t, err, "manifest.json")
}

func TestWeightsHashVerified(t *testing.T) {
	path := save(t, t.TempDir(), 3, 0).Path
	edit(t, path, func(s string) string {
		i := strings.Index(s, `"weights_sha256": "`) + len(`"weights_sha256": "`)
		return s[:i] + strings.Repeat("0", 64) + s[i+64:]
	})
	c, err := Open(path)
	require.NoError(t, err)
	assert.ErrorContains(t, c.Verify(), "the weights have SHA-256")
}

func TestSaveRefuses(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		change func(*State)
		want   string
	}{
		"file name":      {func(s *State) { s.Files["../x"] = nil }, "is refused"},
		"reserved":       {func(s *State) { s.Files["manifest.json"] = nil }, "reserved"},
		"model":          {func(s *State) { s.Files[ModelFile] = nil }, "made from the tensors"},
		"abi":            {func(s *State) { s.ABI = "" }, "abi"},
		"recipe":         {func(s *State) { s.Recipe = "\xff" }, "UTF-8"},
		"scalar":         {func(s *State) { s.Scalars[0] = Scalar{"x", ir.U8, 256} }, "do not fit u8"},
		"plugin hash":    {func(s *State) { s.Plugins[0].SHA256 = "" }, "SHA-256"},
		"tensor failing": {func(s *State) { s.Optimizer[0].Data = func(io.Writer) error { return boom } }, `tensor "b.m": boom`},
		"tensor long":    {func(s *State) { s.Optimizer[0].Data = safetensors.Bytes(make([]byte, 9)) }, "1 bytes of an element of 4"},
		"tensor short":   {func(s *State) { s.Parameters[0].Data = safetensors.Bytes(make([]byte, 4)) }, "f32[2] needs 8"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			save(t, dir, 1, 1)
			s := state(2)
			c.change(&s)
			_, err := Save(dir, s, 1)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, []string{"step-00000001"}, names(t, dir), "the earlier one is there, and nothing else")
		})
	}
}

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 1, 1)
	for _, name := range []string{".tmp-step-00000002", ".old-step-00000000"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, ModelFile), []byte("half"), 0o666))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o666))
	c, skipped, err := Latest(dir)
	require.NoError(t, err)
	assert.Empty(t, skipped)
	assert.EqualValues(t, 1, c.Manifest.Step)
	saved := save(t, dir, 2, 5)
	assert.Len(t, saved.Removed, 2)
	assert.Equal(t, []string{"notes.txt", "step-00000001", "step-00000002"}, names(t, dir))
}

func TestFileInPlaceOfFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(dir, []byte("mine"), 0o666))
	_, err := Save(dir, state(1), 1)
	assert.ErrorContains(t, err, dir)
	_, err = Lock(dir)
	assert.Error(t, err)
	b, err := os.ReadFile(dir)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(b))
}

func TestUnwritableFolder(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 1, 1)
	require.NoError(t, os.Chmod(dir, 0o555))
	defer os.Chmod(dir, 0o777)
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		f.Close()
		os.Remove(f.Name())
		t.Skip("this user may write to any folder; TestFileInPlaceOfFolder and TestDiskFull stand in")
	}
	_, err := Save(dir, state(2), 1)
	assert.ErrorContains(t, err, "the folder cannot be written")
	assert.Equal(t, []string{"step-00000001"}, names(t, dir))
}

func TestCheck(t *testing.T) {
	c, err := Open(save(t, t.TempDir(), 1, 0).Path)
	require.NoError(t, err)
	require.NoError(t, c.Check(map[string]ir.Type{"a": ir.T(ir.BF16, 1), "b": ir.T(ir.F32, 2)}))
	err = c.Check(map[string]ir.Type{"b": ir.T(ir.F32, 3), "c": ir.T(ir.F32)})
	var mismatch *MismatchError
	require.ErrorAs(t, err, &mismatch)
	assert.Equal(t, []string{"c f32[]"}, mismatch.Missing)
	assert.Equal(t, []string{"a bf16[1]"}, mismatch.Unexpected)
	assert.Equal(t, []string{"b: f32[2] in the checkpoint, f32[3] expected"}, mismatch.Different)
	for _, line := range append(append(mismatch.Missing, mismatch.Unexpected...), mismatch.Different...) {
		assert.ErrorContains(t, err, line)
	}
	many := map[string]ir.Type{"a": ir.T(ir.BF16, 1), "b": ir.T(ir.F32, 2)}
	for i := range 25 {
		many[fmt.Sprint("x", i)] = ir.T(ir.F32)
	}
	assert.ErrorContains(t, c.Check(many), "(25)")
	assert.ErrorContains(t, c.Check(many), "and 5 more")
}

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	le := binary.LittleEndian
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	build := func(step uint64, p ...safetensors.Tensor) *Checkpoint {
		s := state(step)
		s.Parameters = p
		saved, err := Save(dir, s, 0)
		require.NoError(t, err)
		c, err := Open(saved.Path)
		require.NoError(t, err)
		return c
	}
	big, changed := make([]byte, 4*50_000), make([]byte, 4*50_000)
	copy(changed[4*40_000:], f32(-2.5))
	a := build(1, tensor("same", ir.T(ir.F32, 3), f32(1, nan, inf)), tensor("f", ir.T(ir.F32, 4), f32(1, 2, 0, 4)), tensor("nan", ir.T(ir.F32, 2), f32(1, 2)),
		tensor("onlyA", ir.T(ir.U8), []byte{1}), tensor("shape", ir.T(ir.U8, 1, 2), []byte{1, 2}), tensor("i64", ir.T(ir.I64, 1), le.AppendUint64(nil, 1<<63)),
		tensor("bf16", ir.T(ir.BF16, 1), []byte{0x80, 0x3f}), tensor("f16", ir.T(ir.F16, 1), []byte{0, 0x3c}), tensor("f64", ir.T(ir.F64), le.AppendUint64(nil, 0)),
		tensor("i32", ir.T(ir.I32), le.AppendUint32(nil, math.MaxUint32)), tensor("u64", ir.T(ir.U64), le.AppendUint64(nil, 1)), tensor("big", ir.T(ir.F32, 50_000), big))
	b := build(2, tensor("same", ir.T(ir.F32, 3), f32(1, nan, inf)), tensor("f", ir.T(ir.F32, 4), f32(1, 5, float32(math.Copysign(0, -1)), 3)), tensor("nan", ir.T(ir.F32, 2), f32(nan, 7)),
		tensor("onlyB", ir.T(ir.U8), []byte{1}), tensor("shape", ir.T(ir.U8, 2, 1), []byte{1, 2}), tensor("i64", ir.T(ir.I64, 1), le.AppendUint64(nil, 1<<63-1)),
		tensor("bf16", ir.T(ir.BF16, 1), []byte{0, 0x40}), tensor("f16", ir.T(ir.F16, 1), []byte{0, 0x40}), tensor("f64", ir.T(ir.F64), le.AppendUint64(nil, math.Float64bits(0.1))),
		tensor("i32", ir.T(ir.I32), le.AppendUint32(nil, 2)), tensor("u64", ir.T(ir.U64), le.AppendUint64(nil, 4)), tensor("big", ir.T(ir.F32, 50_000), changed))
	list, err := Diff(a, b)
	require.NoError(t, err)
	var lines []string
	for _, d := range list {
		lines = append(lines, d.String())
	}
	assert.Equal(t, []string{
		"bf16 bf16[1]: 1 of 1 elements differ, by up to 1",
		"big f32[50000]: 1 of 50000 elements differ, by up to 2.5",
		"f f32[4]: 3 of 4 elements differ, by up to 3",
		"f16 f16[1]: 1 of 1 elements differ, by up to 1",
		"f64 f64[]: 1 of 1 elements differ, by up to 0.1",
		"i32 i32[]: 1 of 1 elements differ, by up to 3",
		"i64 i64[1]: 1 of 1 elements differ, by up to 1.8446744073709552e+19",
		"nan f32[2]: 2 of 2 elements differ, by up to NaN",
		"onlyA: only in the first, u8[]",
		"onlyB: only in the second, u8[]",
		"shape: u8[1,2] against u8[2,1]",
		"u64 u64[]: 1 of 1 elements differ, by up to 3",
	}, lines)
	list, err = Diff(a, a)
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	l, err := Lock(dir)
	require.NoError(t, err)
	_, err = Lock(dir)
	require.ErrorIs(t, err, ErrInUse)
	assert.ErrorContains(t, err, fmt.Sprintf("process %d;", os.Getpid()))
	require.NoError(t, l.Unlock())
	_, err = Lock(dir)
	require.NoError(t, err)
	runtime.GC()
	runtime.GC()
	_, err = Lock(dir)
	require.ErrorIs(t, err, ErrInUse, "a lock that nothing refers to is still held")
	held.Range(func(l, _ any) bool { return assert.NoError(t, l.(*DirLock).Unlock()) })
}

// A run killed in the middle of a save leaves the earlier checkpoint, and its lock goes with it.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 1, 1)
	child := startChild(t, "hang", dir)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "half"))
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
	_, err := Lock(dir)
	require.ErrorIs(t, err, ErrInUse)
	assert.ErrorContains(t, err, fmt.Sprintf("process %d;", child.Process.Pid))
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait(), "it was killed")
	require.DirExists(t, filepath.Join(dir, ".tmp-step-00000002"))

	l, err := Lock(dir)
	require.NoError(t, err)
	defer l.Unlock()
	c, skipped, err := Latest(dir)
	require.NoError(t, err)
	assert.Empty(t, skipped)
	assert.EqualValues(t, 1, c.Manifest.Step)
	save(t, dir, 2, 1)
	assert.Equal(t, []string{".lock", "half", "step-00000002"}, names(t, dir))
}

func FuzzManifest(f *testing.F) {
	folder := f.TempDir()
	b, err := writeFolder(folder, state(3))
	require.NoError(f, err)
	f.Add(b)
	f.Add(bytes.Replace(b, []byte(`"step"`), []byte(`"Step"`), 1))
	f.Add([]byte(`{"format_version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatalf("neither damaged nor newer: %v", err)
			}
			return
		}
		for _, file := range m.Files {
			require.True(t, filepath.IsLocal(file.Name) && filepath.Base(file.Name) == file.Name, "%q", file.Name)
		}
		again, err := m.encode()
		require.NoError(t, err)
		m2, err := parseManifest(again)
		require.NoError(t, err)
		x, err := json.Marshal(m)
		require.NoError(t, err)
		y, err := json.Marshal(m2)
		require.NoError(t, err)
		require.Equal(t, string(x), string(y))
	})
}
