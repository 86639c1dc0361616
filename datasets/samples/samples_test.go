package samples_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/seedbed/seedbed/datasets/samples"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// picture is a PNG of one colour.
func picture(shade uint8) []byte {
	im := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range im.Pix {
		im.SetGray(i%3, i/3, color.Gray{Y: shade})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, im); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func write(t testing.TB, dir string, files map[string][]byte) string {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	return dir
}

// entry is a file of an archive; order and repeats matter.
type entry struct {
	name string
	data []byte
}

func tarball(entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			panic(err)
		}
		w.Write(e.data)
	}
	w.Close()
	return b.Bytes()
}

func zipped(entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.Create(e.name)
		if err != nil {
			panic(err)
		}
		f.Write(e.data)
	}
	w.Close()
	return b.Bytes()
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func open(t testing.TB, c samples.Config) *samples.Set {
	t.Helper()
	if c.CacheDir == "" {
		c.CacheDir = "none"
	}
	s, err := samples.Open(context.Background(), c)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func refuses(t testing.TB, c samples.Config, want ...string) {
	t.Helper()
	c.CacheDir = "none"
	_, err := samples.Open(context.Background(), c)
	for _, w := range want {
		assert.ErrorContains(t, err, w)
	}
}

// read returns a column of some rows as text.
func read(t testing.TB, s *samples.Set, column string, rows ...int64) []string {
	t.Helper()
	rec, err := s.Data.Read(context.Background(), rows)
	require.NoError(t, err)
	defer rec.Release()
	require.True(t, rec.Schema().Equal(s.Data.Schema()))
	at := rec.Schema().FieldIndices(column)
	require.Len(t, at, 1, "%v", rec.Schema())
	var out []string
	for i := range int(rec.NumRows()) {
		switch a := rec.Column(at[0]).(type) {
		case *array.Binary:
			out = append(out, string(a.Value(i)))
		default:
			out = append(out, a.ValueStr(i))
		}
	}
	return out
}

func TestImageFolder(t *testing.T) {
	dir := write(t, t.TempDir(), map[string][]byte{
		"cat/b.png": picture(1), "cat/a.png": picture(2), "dog/big/c.PNG": picture(3), ".hidden/d.png": []byte("x"), "notes.md": []byte("x"),
	})
	s := open(t, samples.Config{Paths: []string{dir}})
	assert.Equal(t, []string{"cat", "dog/big"}, s.Classes)
	assert.Equal(t, []string{"0", "0", "1"}, read(t, s, "label", 0, 1, 2))
	assert.Equal(t, []string{string(picture(3)), string(picture(2))}, read(t, s, "image", 2, 0))
	assert.Equal(t, []string{dir + ": cat/a"}, read(t, s, "name", 0))

	// The fingerprint is that of the content, not of the place; with other pixels it is another.
	other := write(t, t.TempDir(), map[string][]byte{"cat/b.png": picture(1), "cat/a.png": picture(2), "dog/big/c.png": picture(3)})
	assert.Equal(t, s.Data.Fingerprint(), open(t, samples.Config{Paths: []string{other}}).Data.Fingerprint())
	write(t, other, map[string][]byte{"cat/a.png": picture(9)})
	assert.NotEqual(t, s.Data.Fingerprint(), open(t, samples.Config{Paths: []string{other}}).Data.Fingerprint())

	refuses(t, samples.Config{Paths: []string{dir}, Classes: []string{"cat"}}, dir+": dog/big/c: label \"dog/big\" is not one of the 1 classes", "on_bad_sample")
	write(t, dir, map[string][]byte{"stray.png": picture(1)})
	refuses(t, samples.Config{Paths: []string{dir}}, "stray: not in the folder of a class")
	assert.Equal(t, int64(4), open(t, samples.Config{Paths: []string{dir}, Label: "none"}).Data.Len())
	_, err := s.Data.Read(context.Background(), []int64{3})
	assert.ErrorContains(t, err, "row 3 is outside [0, 3)")
}

func TestBadImages(t *testing.T) {
	good := picture(5)
	huge := bytes.Clone(good)
	copy(huge[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65536 x 65536; the checksum of the header no longer fits either
	dir := write(t, t.TempDir(), map[string][]byte{
		"x/1.png": good, "x/2.png": good[:20], "x/3.png": {}, "x/4.png": []byte("<html>"), "x/5.png": huge, "x/6.png": good, "x/7.png": append(bytes.Clone(good[:len(good)-20]), make([]byte, 20)...),
	})
	refuses(t, samples.Config{Paths: []string{dir}}, "x/2: image: PNG")
	s := open(t, samples.Config{Paths: []string{dir}, OnBadSample: "skip"})
	assert.Equal(t, int64(3), s.Data.Len(), "the header of 7 is whole")
	assert.Equal(t, int64(4), s.Skipped)
	assert.Len(t, s.Reasons, 4)
	assert.Equal(t, []string{dir + ": x/1", dir + ": x/6", dir + ": x/7"}, read(t, s, "name", 0, 1, 2))
	s = open(t, samples.Config{Paths: []string{dir}, OnBadSample: "skip", Check: "full"})
	assert.Equal(t, int64(5), s.Skipped)
	refuses(t, samples.Config{Paths: []string{dir}, OnBadSample: "skip", MaxPixels: 5}, "all 7 samples are bad", "3x2 pixels are outside [1, 5]")
}

// An image with a side that is too short is a bad sample, whatever the other.
func TestMinSide(t *testing.T) {
	var wide bytes.Buffer
	require.NoError(t, png.Encode(&wide, image.NewGray(image.Rect(0, 0, 9, 4))))
	dir := write(t, t.TempDir(), map[string][]byte{"x/1.png": picture(1), "x/2.png": wide.Bytes()}) // 3x2
	for side, bad := range map[int]int64{0: 0, 2: 0, 3: 1, 4: 1} {
		for _, check := range []string{"header", "full"} {
			assert.Equal(t, bad, open(t, samples.Config{Paths: []string{dir}, OnBadSample: "skip", MinSide: side, Check: check}).Skipped, "%d, %s", side, check)
		}
	}
	s := open(t, samples.Config{Paths: []string{dir}, OnBadSample: "skip", MinSide: 4})
	assert.Equal(t, []string{dir + ": x/2"}, read(t, s, "name", 0))
	require.Len(t, s.Reasons, 1)
	assert.Contains(t, s.Reasons[0], "x/1: image: 3x2 pixels: a side is shorter than min_side, 4")
	refuses(t, samples.Config{Paths: []string{dir}, MinSide: 5}, "a side is shorter than min_side, 5", "on_bad_sample")
}

func TestLinksOutOfAFolder(t *testing.T) {
	outside := write(t, t.TempDir(), map[string][]byte{"secret.png": picture(1)})
	dir := write(t, t.TempDir(), map[string][]byte{"x/1.png": picture(1)})
	if err := os.Symlink(filepath.Join(outside, "secret.png"), filepath.Join(dir, "x", "2.png")); err != nil {
		t.Skipf("this file system has no links: %v", err)
	}
	require.NoError(t, os.Symlink("1.png", filepath.Join(dir, "x", "3.png")))
	refuses(t, samples.Config{Paths: []string{dir}}, "x/2: a link that leads out of the folder")
	s := open(t, samples.Config{Paths: []string{dir}, OnBadSample: "skip"})
	assert.Equal(t, int64(2), s.Data.Len())
}

func TestArchives(t *testing.T) {
	entries := []entry{
		{"a/1.png", picture(1)}, {"a/1.txt", []byte("one\n")}, {"a/1.cls", []byte("1\n")}, {"a/1.json", []byte("{}")},
		{"a/2.jpg.png", picture(2)}, {"a/2.txt", []byte("two")}, {"a/2.cls", []byte("0")},
	}
	dir := write(t, t.TempDir(), map[string][]byte{"d.tar": tarball(entries...), "d.tgz": gzipped(tarball(entries...)), "d.zip": zipped(entries...)})
	prints := map[string]bool{}
	for _, name := range []string{"d.tar", "d.tgz", "d.zip"} {
		s := open(t, samples.Config{Paths: []string{filepath.Join(dir, name)}})
		assert.Equal(t, []string{"two", "one"}, read(t, s, "text", 1, 0))
		assert.Equal(t, []string{"1", "0"}, read(t, s, "label", 0, 1))
		assert.Equal(t, []string{string(picture(2))}, read(t, s, "image", 1))
		prints[s.Data.Fingerprint()] = true
	}
	assert.Len(t, prints, 1)

	for want, bad := range map[string][]entry{
		"the name \"../evil.png\" is absolute, leads out":          {{"../evil.png", picture(1)}},
		"the name \"/etc/evil.png\" is absolute":                   {{"/etc/evil.png", picture(1)}},
		"a\\\\b.png\" is absolute":                                 {{"a\\b.png", picture(1)}},
		"a/1: the key comes twice, the second time at \"a/1.txt\"": {{"a/1.png", picture(1)}, {"a/2.png", picture(1)}, {"a/1.txt", nil}, {"a/2.txt", nil}},
		"\"a/1.png\" and \"a/1.png\" are the same part":            {{"a/1.png", picture(1)}, {"a/1.png", picture(2)}},
		"a/2: an image without a caption":                          {{"a/1.png", picture(1)}, {"a/1.txt", nil}, {"a/2.png", picture(1)}},
		"a/2: a caption or label without an image":                 {{"a/1.png", picture(1)}, {"a/1.txt", nil}, {"a/2.txt", nil}},
		"a/2: a sample without a label":                            {{"a/1.png", picture(1)}, {"a/1.cls", []byte("1")}, {"a/2.png", picture(1)}},
		"a/1: the text is not UTF-8":                               {{"a/1.png", picture(1)}, {"a/1.txt", []byte("\xff")}},
		"no images":                                                {{"a/1.mp3", nil}},
		"rows are outside":                                         {},
	} {
		write(t, dir, map[string][]byte{"bad.tar": tarball(bad...)})
		if want == "rows are outside" {
			want = "no images"
		}
		refuses(t, samples.Config{Paths: []string{filepath.Join(dir, "bad.tar")}}, want, "bad.tar")
	}
	whole := tarball(entries...)
	write(t, dir, map[string][]byte{"cut.tar": whole[:540], "cut.zip": zipped(entries...)[:200], "cut.tgz": gzipped(whole)[:60]})
	for _, name := range []string{"cut.tar", "cut.zip", "cut.tgz"} {
		refuses(t, samples.Config{Paths: []string{filepath.Join(dir, name)}}, name)
	}
}

func TestTables(t *testing.T) {
	dir := write(t, t.TempDir(), map[string][]byte{
		"n.csv":     []byte("\ufeff3,\"Wall St., \"\"bears\"\"\",down\n\n4,\"two\nlines\",up\n"),
		"h.csv":     []byte("\ufefflabel,title,body,picture\r\nworld,Hello,there,img/1.png\r\nsport,Good,bye,img/2.png\r\n"),
		"x.tsv":     []byte("a \"quote\t1\nb\t0\n"),
		"x.jsonl":   []byte("{\"t\":\"one\",\"l\":2,\"i\":\"img/1.png\"}\n  \n{\"l\":\"0\",\"t\":\"zwei\",\"more\":[],\"i\":\"img/2.png\"}"),
		"img/1.png": picture(1), "img/2.png": picture(2),
	})
	at := func(name string) []string { return []string{filepath.Join(dir, name)} }
	s := open(t, samples.Config{Paths: at("n.csv"), Label: "1", Text: []string{"2", "3"}, Classes: []string{"World", "Sports", "Business", "Tech"}, FirstLabel: 1})
	assert.Equal(t, []string{"two\nlines up", `Wall St., "bears" down`}, read(t, s, "text", 1, 0))
	assert.Equal(t, []string{"2", "3"}, read(t, s, "label", 0, 1))

	s = open(t, samples.Config{Paths: at("h.csv"), Header: true, Label: "label", Text: []string{"body"}, Image: "picture"})
	assert.Equal(t, []string{"sport", "world"}, s.Classes)
	assert.Equal(t, []string{"1", "0"}, read(t, s, "label", 0, 1))
	assert.Equal(t, []string{string(picture(2))}, read(t, s, "image", 1))

	s = open(t, samples.Config{Paths: at("x.tsv"), Label: "2", Text: []string{"1"}})
	assert.Equal(t, []string{`a "quote`, "b"}, read(t, s, "text", 0, 1))
	assert.Equal(t, []string{"0", "1"}, s.Classes)

	s = open(t, samples.Config{Paths: at("x.jsonl"), Label: "l", Text: []string{"t"}, Image: "i"})
	assert.Equal(t, []string{"zwei", "one"}, read(t, s, "text", 1, 0))
	assert.Equal(t, []string{"0", "1", "2"}, s.Classes)
	assert.Equal(t, []string{filepath.Join(dir, "x.jsonl") + ": row 1"}, read(t, s, "name", 1))

	// Pairs of texts.
	s = open(t, samples.Config{Paths: at("h.csv"), Header: true, Label: "label", Text: []string{"title"}, TextB: []string{"body", "picture"}})
	assert.Equal(t, []string{"Good", "Hello"}, read(t, s, "text", 1, 0))
	assert.Equal(t, []string{"bye img/2.png", "there img/1.png"}, read(t, s, "text_b", 1, 0))
	s = open(t, samples.Config{Paths: at("x.jsonl"), Text: []string{"t"}, TextB: []string{"l"}})
	assert.Equal(t, []string{"2", "0"}, read(t, s, "text_b", 0, 1))

	// Several files follow each other.
	s = open(t, samples.Config{Paths: append(at("x.tsv"), at("x.tsv")...), Text: []string{"1"}})
	assert.Equal(t, []string{"b", `a "quote`}, read(t, s, "text", 3, 2))
	assert.Equal(t, []string{filepath.Join(dir, "x.tsv") + ": row 0"}, read(t, s, "name", 2))

	write(t, dir, map[string][]byte{
		"ragged.csv": []byte("1,a\n2,b,c\n3,d\n"), "quote.csv": []byte("1,a\n2,\"b\n"), "label.csv": []byte("1,a\n7,b\n"),
		"escape.csv": []byte("../../etc/passwd\n"), "gone.csv": []byte("img/9.png\n"), "bad.jsonl": []byte("{\"t\":\"a\"}\n{\"t\":[1]}\n"), "half.jsonl": []byte("{\"t\":"),
		"empty.csv": nil,
	})
	for _, tt := range []struct {
		c    samples.Config
		want string
	}{
		{samples.Config{Paths: at("ragged.csv"), Text: []string{"2"}}, "ragged.csv: row 1: 3 columns where the first row has 2"},
		{samples.Config{Paths: at("quote.csv"), Text: []string{"2"}}, "quote.csv: row 1: "},
		{samples.Config{Paths: at("label.csv"), Text: []string{"2"}, Label: "1", Classes: []string{"a", "b"}, FirstLabel: 1}, "label.csv: row 1: label 7 is outside [1, 2]"},
		{samples.Config{Paths: at("escape.csv"), Image: "1"}, `escape.csv: row 0: the name "../../etc/passwd" is absolute`},
		{samples.Config{Paths: at("gone.csv"), Image: "1"}, "gone.csv: row 0: image img/9.png: "},
		{samples.Config{Paths: at("bad.jsonl"), Text: []string{"t"}}, `bad.jsonl: row 1: field "t" is neither a string nor a number`},
		{samples.Config{Paths: at("half.jsonl"), Text: []string{"t"}}, "half.jsonl: row 0: unexpected end"},
		{samples.Config{Paths: at("bad.jsonl"), Text: []string{"u"}}, `bad.jsonl: row 0: no field "u"`},
		{samples.Config{Paths: at("label.csv"), Text: []string{"x"}}, `text: no column "x"; the columns are ["1" "2"]`},
		{samples.Config{Paths: at("label.csv")}, "name the column"},
		{samples.Config{Paths: at("label.csv"), Text: []string{"1"}, TextB: []string{"x"}}, `text_b: no column "x"; the columns are ["1" "2"]`},
		{samples.Config{Paths: at("h.csv"), Image: "4", TextB: []string{"1"}}, "text_b: names the second text of a pair; name the first"},
		{samples.Config{Paths: at("empty.csv"), Text: []string{"1"}}, "0 rows"},
	} {
		refuses(t, tt.c, tt.want)
	}
	s = open(t, samples.Config{Paths: at("ragged.csv"), Text: []string{"2"}, OnBadSample: "skip"})
	assert.Equal(t, []string{"a", "d"}, read(t, s, "text", 0, 1))
}

func TestLines(t *testing.T) {
	dir := write(t, t.TempDir(), map[string][]byte{"a.en.gz": gzipped([]byte("one\r\n\ntwo")), "a.de": []byte("eins\n\nzwei\n"), "b.de": []byte("eins\n"), "c.de": []byte("eins\nx\nzwei")})
	path := func(name string) string { return filepath.Join(dir, name) }
	s := open(t, samples.Config{Format: "lines", Paths: []string{path("a.en.gz"), path("a.de")}})
	assert.Equal(t, []string{"two", "", "one"}, read(t, s, "text", 2, 1, 0))
	assert.Equal(t, []string{"eins", "zwei"}, read(t, s, "text_b", 0, 2))
	refuses(t, samples.Config{Format: "lines", Paths: []string{path("a.de"), path("b.de")}}, "a.de has 3 lines", "b.de has 1")
	refuses(t, samples.Config{Format: "lines", Paths: []string{path("a.de"), path("c.de")}}, "a.de: row 1: a line of text beside an empty one")
}

func idxFile(dims []byte, data []byte) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		out = append(out, 0, 0, 0, d)
	}
	return append(out, data...)
}

func TestIDX(t *testing.T) {
	dir := write(t, t.TempDir(), map[string][]byte{
		"i-idx3-ubyte.gz": gzipped(idxFile([]byte{3, 2, 2}, []byte("abcdefghijkl"))), "l-idx1-ubyte": idxFile([]byte{3}, []byte{7, 0, 9}),
		"short-idx3": idxFile([]byte{3, 2, 2}, []byte("abc")), "two-idx1": idxFile([]byte{2}, []byte{1, 2}), "huge-idx3": append([]byte{0, 0, 8, 3}, bytes.Repeat([]byte{0xFF}, 12)...), "junk-idx3": []byte("junk"),
	})
	path := func(name string) string { return filepath.Join(dir, name) }
	s := open(t, samples.Config{Paths: []string{path("i-idx3-ubyte.gz"), path("l-idx1-ubyte")}})
	assert.Equal(t, []string{"9", "7"}, read(t, s, "label", 2, 0))
	assert.Len(t, s.Classes, 10)
	assert.Equal(t, []string{"[105,106,107,108]"}, compact(read(t, s, "image", 2)))
	shape, _ := s.Data.Schema().Field(0).Metadata.GetValue("shape")
	assert.Equal(t, "2,2,1", shape)
	for _, tt := range []struct{ want, images, labels string }{
		{"short-idx3: 19 bytes, but [3 2 2] takes 28", "short-idx3", ""}, {"two-idx1: labels of [2] for 3 images", "i-idx3-ubyte.gz", "two-idx1"},
		{"huge-idx3: dimension 0 is", "huge-idx3", ""}, {"junk-idx3: begins with 6A 75 6E 6B", "junk-idx3", ""}, {"are not images", "two-idx1", ""},
	} {
		paths := []string{path(tt.images)}
		if tt.labels != "" {
			paths = append(paths, path(tt.labels))
		}
		refuses(t, samples.Config{Paths: paths, Format: "idx"}, tt.want)
	}
}

func compact(s []string) []string {
	for i := range s {
		s[i] = strings.ReplaceAll(s[i], " ", "")
	}
	return s
}

func TestColumnar(t *testing.T) {
	dir := t.TempDir()
	picture2 := arrow.StructOf(arrow.Field{Name: "bytes", Type: arrow.BinaryTypes.Binary}, arrow.Field{Name: "path", Type: arrow.BinaryTypes.String, Nullable: true})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "extra", Type: arrow.PrimitiveTypes.Float64}, {Name: "image", Type: picture2, Nullable: true},
		{Name: "caption", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "class", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	record := func(from, to int) arrow.Record {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		for i := from; i < to; i++ {
			b.Field(0).(*array.Float64Builder).Append(1)
			im := b.Field(1).(*array.StructBuilder)
			im.Append(true)
			im.FieldBuilder(0).(*array.BinaryBuilder).Append(picture(uint8(i)))
			im.FieldBuilder(1).(*array.StringBuilder).AppendNull()
			if i == 11 {
				b.Field(2).(*array.StringBuilder).AppendNull()
			} else {
				b.Field(2).(*array.StringBuilder).Append(strings.Repeat("x", i))
			}
			b.Field(3).(*array.Int64Builder).Append(int64(i % 3))
		}
		return b.NewRecord()
	}
	var arrowFile, parquetFile bytes.Buffer
	w, err := ipc.NewFileWriter(&noSeek{&arrowFile}, ipc.WithSchema(schema))
	require.NoError(t, err)
	pw, err := pqarrow.NewFileWriter(schema, &parquetFile, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	for _, span := range [][2]int{{0, 5}, {5, 11}, {11, 12}, {12, 40}} {
		rec := record(span[0], span[1])
		require.NoError(t, w.Write(rec))
		require.NoError(t, pw.Write(rec))
		rec.Release()
	}
	require.NoError(t, w.Close())
	require.NoError(t, pw.Close())
	write(t, dir, map[string][]byte{"d.arrow": arrowFile.Bytes(), "d.parquet": parquetFile.Bytes(), "cut.arrow": arrowFile.Bytes()[:900], "cut.parquet": parquetFile.Bytes()[:900]})
	prints := map[string]bool{}
	for _, name := range []string{"d.arrow", "d.parquet"} {
		c := samples.Config{Paths: []string{filepath.Join(dir, name)}, Image: "image", Text: []string{"caption"}, Label: "class"}
		refuses(t, c, name+`: row 11: column "caption": null`)
		c.OnBadSample = "skip"
		s := open(t, c)
		assert.Equal(t, int64(39), s.Data.Len())
		assert.Equal(t, []string{strings.Repeat("x", 39), "", strings.Repeat("x", 12)}, read(t, s, "text", 38, 0, 11))
		assert.Equal(t, []string{string(picture(20))}, read(t, s, "image", 19))
		assert.Equal(t, []string{"2"}, read(t, s, "label", 19))
		assert.Equal(t, []string{"0", "1", "2"}, s.Classes)
		assert.Equal(t, []string{filepath.Join(dir, name) + ": row 12"}, read(t, s, "name", 11))
		prints[s.Data.Fingerprint()] = true
		pairs := open(t, samples.Config{Paths: c.Paths, Text: []string{"class"}, TextB: []string{"caption"}, OnBadSample: "skip"})
		assert.Equal(t, []string{"0", "2"}, read(t, pairs, "text", 3, 2))
		assert.Equal(t, []string{"xxx", "xx"}, read(t, pairs, "text_b", 3, 2))
		c.Text = []string{"extra"}
		refuses(t, c, `column "extra" is float64: want text or whole numbers`)
		c.Text, c.Image = nil, "caption"
		refuses(t, c, `image: column "caption" is utf8`)
		refuses(t, samples.Config{Paths: []string{filepath.Join(dir, "cut"+filepath.Ext(name))}, Text: []string{"caption"}}, "cut")
	}
	assert.Len(t, prints, 1)
}

// noSeek is a writer with the position that the IPC writer asks for.
type noSeek struct{ *bytes.Buffer }

func (n *noSeek) Seek(offset int64, whence int) (int64, error) { return int64(n.Len()), nil }

func TestCache(t *testing.T) {
	cache := t.TempDir()
	dir := write(t, t.TempDir(), map[string][]byte{"a/1.png": picture(1), "a/2.png": {}, "b/1.png": picture(2)})
	old := time.Now().Add(-time.Hour)
	age := func() {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			require.NoError(t, err)
			return os.Chtimes(path, old, old)
		}))
	}
	c := samples.Config{Paths: []string{dir}, OnBadSample: "skip", CacheDir: cache}
	assert.False(t, open(t, c).Cached)
	assert.False(t, open(t, c).Cached, "files this new may change without a new time")
	age()
	first := open(t, c)
	assert.False(t, first.Cached)
	again := open(t, c)
	assert.True(t, again.Cached)
	assert.Equal(t, first.Data.Fingerprint(), again.Data.Fingerprint())
	assert.Equal(t, first.Classes, again.Classes)
	assert.Equal(t, first.Reasons, again.Reasons)
	assert.Equal(t, read(t, first, "name", 0, 1), read(t, again, "name", 0, 1))

	// Whatever is wrong with the cache, rows are read again.
	kept, err := filepath.Glob(filepath.Join(cache, "*.json"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	data, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	for i := 0; i < len(data); i += 5 {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		require.NoError(t, os.WriteFile(kept[0], damaged, 0o644))
		assert.Equal(t, first.Data.Fingerprint(), open(t, c).Data.Fingerprint())
	}
	write(t, dir, map[string][]byte{"b/1.png": picture(3)})
	age()
	old = old.Add(-time.Minute)
	age()
	changed := open(t, c)
	assert.False(t, changed.Cached)
	assert.NotEqual(t, first.Data.Fingerprint(), changed.Data.Fingerprint())
}

func TestSplit(t *testing.T) {
	files := map[string][]byte{}
	for i := range 200 {
		files["x/"+strings.Repeat("i", i+1)+".png"] = picture(uint8(i))
	}
	dir := write(t, t.TempDir(), files)
	s := open(t, samples.Config{Paths: []string{dir}})
	train, validation, err := s.Split(0.2)
	require.NoError(t, err)
	assert.Equal(t, int64(200), train.Len()+validation.Len())
	assert.InDelta(t, 40, validation.Len(), 20)
	held := map[string]bool{}
	for i := range validation.Len() {
		rec, err := validation.Read(context.Background(), []int64{i})
		require.NoError(t, err)
		held[string(rec.Column(0).(*array.Binary).Value(0))] = true
		rec.Release()
	}
	// With other files beside them, and in another place, the same pictures are held out.
	files["y/more.png"] = picture(250)
	other := open(t, samples.Config{Paths: []string{write(t, t.TempDir(), files)}})
	_, validation, err = other.Split(0.2)
	require.NoError(t, err)
	for i := range validation.Len() {
		rec, err := validation.Read(context.Background(), []int64{i})
		require.NoError(t, err)
		picked := rec.Column(0).(*array.Binary).Value(0)
		assert.True(t, held[string(picked)] || bytes.Equal(picked, picture(250)))
		rec.Release()
	}
	_, _, err = s.Split(1)
	assert.Error(t, err)
}

func TestConfigRefused(t *testing.T) {
	dir := write(t, t.TempDir(), map[string][]byte{"a/1.png": picture(1), "what": []byte("x")})
	for want, c := range map[string]samples.Config{
		"paths: name a file":               {},
		"what does not say it: set format": {Paths: []string{filepath.Join(dir, "what")}},
		`format: "gif" is not one of`:      {Paths: []string{dir}, Format: "gif"},
		`on_bad_sample: "warn"`:            {Paths: []string{dir}, OnBadSample: "warn"},
		`check: "none"`:                    {Paths: []string{dir}, Check: "none"},
		"max_pixels: -1":                   {Paths: []string{dir}, MaxPixels: -1},
		"min_side: -1":                     {Paths: []string{dir}, MinSide: -1},
		`classes: "a" twice`:               {Paths: []string{dir}, Classes: []string{"a", "a"}},
		`label: "folders" is not`:          {Paths: []string{dir}, Label: "folders"},
		"label: cls, but no file":          {Paths: []string{dir}, Label: "cls"},
		"columns have no names in folder":  {Paths: []string{dir}, Text: []string{"x"}},
		"no names in folder":               {Paths: []string{dir}, TextB: []string{"x"}},
		"no such file":                     {Paths: []string{filepath.Join(dir, "nowhere.csv")}, Text: []string{"1"}},
		"paths: stat":                      {Paths: []string{filepath.Join(dir, "nowhere")}},
		"not a regular file":               {Paths: []string{dir}, Format: "tar"},
	} {
		refuses(t, c, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := samples.Open(ctx, samples.Config{Paths: []string{dir}, CacheDir: "none"})
	assert.ErrorIs(t, err, context.Canceled)
}

// shared returns a path of the shared data, which lies beside the repository, or skips the test.
func shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not here: shared data is not part of the repository", path)
	}
	return path
}

func TestRealData(t *testing.T) {
	t.Run("mnist", func(t *testing.T) {
		s := open(t, samples.Config{Paths: []string{shared(t, "mnist/t10k-images-idx3-ubyte.gz"), shared(t, "mnist/t10k-labels-idx1-ubyte.gz")}})
		assert.Equal(t, int64(10000), s.Data.Len())
		assert.Len(t, s.Classes, 10)
		assert.Equal(t, []string{"7", "2", "1", "0", "4"}, read(t, s, "label", 0, 1, 2, 3, 4))
	})
	t.Run("omniglot", func(t *testing.T) {
		s := open(t, samples.Config{Paths: []string{shared(t, "omniglot/images_background_small1.zip")}, Check: "full"})
		assert.Equal(t, int64(2720), s.Data.Len())
		assert.Len(t, s.Classes, 136)
	})
	t.Run("emoji", func(t *testing.T) {
		s := open(t, samples.Config{Paths: []string{shared(t, "emoji/emoji-64.tar")}})
		assert.Greater(t, s.Data.Len(), int64(1000))
		assert.Contains(t, s.Data.Schema().String(), "text: type=utf8")
	})
	t.Run("agnews", func(t *testing.T) {
		s := open(t, samples.Config{
			Paths: []string{shared(t, "agnews/test.csv")}, Label: "1", Text: []string{"2", "3"}, FirstLabel: 1, Classes: []string{"World", "Sports", "Business", "Sci/Tech"},
		})
		assert.Equal(t, int64(7600), s.Data.Len())
	})
	t.Run("multi30k", func(t *testing.T) {
		s := open(t, samples.Config{Format: "lines", Paths: []string{shared(t, "multi30k/train.en.gz"), shared(t, "multi30k/train.de.gz")}})
		assert.Equal(t, int64(29000), s.Data.Len())
	})
}
