package text_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/seedbed/seedbed/datasets/text"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree writes files into a new folder.
func tree(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}

func gz(content string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(content))
	w.Close()
	return b.String()
}

func zst(content string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(content), nil))
}

// read returns the documents that paths name, each as "file: text".
func read(opts text.Options, paths ...string) ([]string, error) {
	files, err := text.Files(context.Background(), paths, opts)
	if err != nil {
		return nil, err
	}
	var docs []string
	for d, err := range text.Documents(context.Background(), files, opts, nil) {
		if err != nil {
			return docs, err
		}
		docs = append(docs, filepath.Base(files[d.File].Name)+": "+string(d.Text))
	}
	return docs, nil
}

func TestDocuments(t *testing.T) {
	long := strings.Repeat("0123456789abcde\n", 4)
	tests := []struct {
		name  string
		files map[string]string
		paths []string // in the folder; none is the folder
		opts  text.Options
		want  []string
	}{
		{"sorted by path", map[string]string{"b.txt": "2", "a/z.md": "1", "c.go": "3"}, nil, text.Options{}, []string{"z.md: 1", "b.txt: 2", "c.go: 3"}},
		{"hidden names left out", map[string]string{".git/x": "no", ".y": "no", "z": "yes"}, nil, text.Options{}, []string{"z: yes"}},
		{"hidden file named", map[string]string{".y": "yes"}, []string{".y"}, text.Options{}, []string{".y: yes"}},
		{"include", map[string]string{"a.go": "1", "b.md": "2", "c/d.go": "3"}, nil, text.Options{Include: []string{"*.go"}}, []string{"a.go: 1", "d.go: 3"}},
		{"glob", map[string]string{"a.go": "1", "b.md": "2", "c/d.go": "3"}, []string{"*.go"}, text.Options{}, []string{"a.go: 1"}},
		{"deep glob", map[string]string{"a.go": "1", "b.md": "2", "c/d/e.go": "3", "c/f.go": "4"}, []string{"**/*.go"}, text.Options{}, []string{"a.go: 1", "e.go: 3", "f.go: 4"}},
		{"glob in the middle", map[string]string{"x/a/1": "1", "x/b/2": "2", "x/b/c/3": "3"}, []string{"x/*/?"}, text.Options{}, []string{"1: 1", "2: 2"}},
		{"a name with a star in it", map[string]string{"a[1].txt": "1"}, []string{"a[1].txt"}, text.Options{}, []string{"a[1].txt: 1"}},
		{"named twice", map[string]string{"a": "1", "b": "2"}, []string{"b", "*", "a"}, text.Options{}, []string{"a: 1", "b: 2"}},
		{"empty files have no documents", map[string]string{"a": "", "b": "2", "c": " \n"}, nil, text.Options{}, []string{"b: 2"}},
		{"gzip", map[string]string{"a.txt.gz": gz("one")}, nil, text.Options{}, []string{"a.txt.gz: one"}},
		{"gzip without its name", map[string]string{"a": gz("one") + gz(" two")}, nil, text.Options{}, []string{"a: one two"}},
		{"zstd", map[string]string{"a.txt.zst": zst("one"), "b": zst("two")}, nil, text.Options{}, []string{"a.txt.zst: one", "b: two"}},
		{"byte order mark", map[string]string{"a": "\uFEFFone", "b": "\uFEFF"}, nil, text.Options{}, []string{"a: one"}},
		{"lines", map[string]string{"a": "1\n\n 2\r\n \n3"}, nil, text.Options{Document: "line"}, []string{"a: 1", "a:  2", "a: 3"}},
		{"paragraphs", map[string]string{"a": "\n\n1\n2\n\n\n3\n \n4"}, nil, text.Options{Document: "paragraph"}, []string{"a: 1\n2\n", "a: 3\n", "a: 4"}},
		{"long file", map[string]string{"a": long}, nil, text.Options{MaxDocumentBytes: 40}, []string{"a: " + long[:32], "a: " + long[32:]}},
		{"long line", map[string]string{"a": "aaaaaaaaaa bbbbbbbbbb"}, nil, text.Options{Document: "line", MaxDocumentBytes: 16}, []string{"a: aaaaaaaaaa ", "a: bbbbbbbbbb"}},
		{"long without a place to cut", map[string]string{"a": strings.Repeat("é", 9)}, nil, text.Options{MaxDocumentBytes: 17}, []string{"a: éééééééé", "a: é"}},
		{"json lines", map[string]string{"a.jsonl": `{"text":"one\ntwo","n":1}` + "\n\n" + ` {"n":2,"text":"é"} ` + "\r\n" + `{"text":""}`}, nil, text.Options{}, []string{"a.jsonl: one\ntwo", "a.jsonl: é"}},
		{"json lines by another field, compressed", map[string]string{"a.ndjson.gz": gz(`{"body":"one"}` + "\n")}, nil, text.Options{TextField: "body"}, []string{"a.ndjson.gz: one"}},
		{"json lines by option", map[string]string{"a": `{"text":"one"}`}, nil, text.Options{Format: "jsonl"}, []string{"a: one"}},
		{"text by option", map[string]string{"a.jsonl": `{"text":"one"}`}, nil, text.Options{Format: "text"}, []string{`a.jsonl: {"text":"one"}`}},
		{"long json text", map[string]string{"a.jsonl": `{"text":"aaaaaaaaaa bbbbbbbbbb"}`}, nil, text.Options{MaxDocumentBytes: 16}, []string{"a.jsonl: aaaaaaaaaa ", "a.jsonl: bbbbbbbbbb"}},
		{"binary skipped", map[string]string{"a.png": "\x89PNG", "b": "text", "c": strings.Repeat("x", 1<<20) + "\x00"}, nil, text.Options{SkipBinary: true}, []string{"b: text"}},
		{"large", map[string]string{"a": strings.Repeat("é\n", 1<<18)}, nil, text.Options{MaxDocumentBytes: 1 << 20}, []string{"a: " + strings.Repeat("é\n", 1<<18)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, tt.files)
			paths := []string{dir}
			if tt.paths != nil {
				paths = nil
				for _, p := range tt.paths {
					paths = append(paths, filepath.Join(dir, filepath.FromSlash(p)))
				}
			}
			got, err := read(tt.opts, paths...)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestBadInputIsRefused(t *testing.T) {
	cut := func(s string) string { return s[:len(s)-9] }
	noise := func(n int) string { // does not compress
		b, x := make([]byte, n), uint32(1)
		for i := range b {
			x = x*1664525 + 1013904223
			b[i] = 'a' + byte(x>>24)%26
		}
		return string(b)
	}
	tests := []struct {
		name  string
		files map[string]string
		path  string
		opts  text.Options
		want  []string // parts of the error
	}{
		{"nothing there", nil, "no", text.Options{}, []string{"no such file"}},
		{"empty folder", map[string]string{".hidden": "x"}, "", text.Options{}, []string{"no files"}},
		{"include matches nothing", map[string]string{"a.txt": "x"}, "", text.Options{Include: []string{"*.go"}}, []string{"no files", "*.go"}},
		{"glob matches nothing", nil, "*.txt", text.Options{}, []string{"*.txt: no file matches"}},
		{"bad glob", nil, "[", text.Options{}, []string{"syntax error in pattern"}},
		{"binary", map[string]string{"a": "abc\x89PNG"}, "", text.Options{}, []string{"a: byte 3 (0x89)", "not text"}},
		{"NUL", map[string]string{"a": strings.Repeat("é", 1<<17) + "\x00"}, "", text.Options{}, []string{"byte 262144 (0x00)", "not text"}},
		{"cut within a character", map[string]string{"a": "abc\xc3"}, "", text.Options{}, []string{"byte 3 (0xC3)", "not text"}},
		{"UTF-16", map[string]string{"a": "\xff\xfea\x00"}, "", text.Options{}, []string{"UTF-16", "convert"}},
		{"surrogates", map[string]string{"a": "\xed\xa0\x80"}, "", text.Options{}, []string{"byte 0 (0xED)"}},
		{"gzip cut short", map[string]string{"a.gz": cut(gz(noise(1000)))}, "", text.Options{}, []string{"a.gz", "cut short"}},
		{"gzip header cut short", map[string]string{"a.gz": gz("x")[:5]}, "", text.Options{}, []string{"a.gz", "gzip", "cut short"}},
		{"gzip damaged", map[string]string{"a.gz": strings.Replace(gz("hello world"), "hello", "hallo", 1)[:18] + "xxxxxxxxxxxxxxx"}, "", text.Options{}, []string{"a.gz", "flate"}},
		{"zstd cut short", map[string]string{"a.zst": cut(zst(noise(1000)))}, "", text.Options{}, []string{"a.zst", "cut short"}},
		{"gzip by name only", map[string]string{"a.gz": "text"}, "", text.Options{}, []string{"name says gzip"}},
		{"zstd by name only", map[string]string{"a.zst": "text"}, "", text.Options{}, []string{"name says zstd"}},
		{"gzip bomb", map[string]string{"a.gz": gz(strings.Repeat("a", 80<<20))}, "", text.Options{}, []string{"a.gz", "67108864", "max_expansion"}},
		{"zstd bomb", map[string]string{"a.zst": zst(strings.Repeat("a", 80<<20))}, "", text.Options{}, []string{"a.zst", "max_expansion"}},
		{"too large", map[string]string{"a": noise(1000)}, "", text.Options{MaxFileBytes: 999}, []string{"999", "max_file_bytes"}},
		{"compressed twice", map[string]string{"a.gz": gz(gz("x"))}, "", text.Options{}, []string{"byte 1 (0x8B)"}},
		{"json lines: not JSON", map[string]string{"a.jsonl": "{\"text\":\"x\"}\n{\"text\":}\n"}, "", text.Options{}, []string{"a.jsonl:2: column 9"}},
		{"json lines: not an object", map[string]string{"a.jsonl": "[1]"}, "", text.Options{}, []string{"a.jsonl:1", "object"}},
		{"json lines: no such field", map[string]string{"a.jsonl": `{"title":"x","body":"y"}`}, "", text.Options{}, []string{`a.jsonl:1: no field "text"`, `["body" "title"]`}},
		{"json lines: not a string", map[string]string{"a.jsonl": `{"text":1}`}, "", text.Options{}, []string{`field "text" is not a string`}},
		{"json lines: null", map[string]string{"a.jsonl": `{"text":null}`}, "", text.Options{}, []string{`field "text" is not a string`}},
		{"json lines: binary", map[string]string{"a.jsonl": "{\"text\":\"\xff\"}"}, "", text.Options{}, []string{"byte 9 (0xFF)"}},
		{"json lines: endless line", map[string]string{"a.jsonl": `{"text":"` + strings.Repeat("a", 64<<20)}, "", text.Options{}, []string{"a.jsonl:1: line of more than"}},
		{"option format", map[string]string{"a": "x"}, "", text.Options{Format: "csv"}, []string{`format: "csv"`}},
		{"option document", map[string]string{"a": "x"}, "", text.Options{Document: "page"}, []string{`document: "page"`}},
		{"option include", map[string]string{"a": "x"}, "", text.Options{Include: []string{"["}}, []string{"include[0]"}},
		{"option out of range", map[string]string{"a": "x"}, "", text.Options{MaxDocumentBytes: -1}, []string{"max_document_bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.opts, filepath.Join(tree(t, tt.files), filepath.FromSlash(tt.path)))
			require.Error(t, err)
			for _, part := range tt.want {
				assert.ErrorContains(t, err, part)
			}
		})
	}
	_, err := read(text.Options{})
	assert.ErrorContains(t, err, "no data")
}

func TestSymbolicLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	outside := tree(t, map[string]string{"secret": "secret", "sub/x": "x"})
	link := func(t *testing.T, dir, name, target string) {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	t.Run("out of the folder", func(t *testing.T) {
		for _, target := range []string{filepath.Join(outside, "secret"), filepath.Join(outside, "sub"), "../" + filepath.Base(outside), "missing"} {
			dir := tree(t, map[string]string{"a": "1"})
			link(t, dir, "link", target)
			_, err := read(text.Options{}, dir)
			assert.ErrorContains(t, err, filepath.Join(dir, "link")+": symbolic link", target)
			_, err = read(text.Options{}, filepath.Join(dir, "l*"))
			assert.ErrorContains(t, err, "symbolic link", target)
		}
	})
	t.Run("within the folder", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "1", "sub/b": "2"})
		link(t, dir, "c", "sub/b")
		link(t, dir, "loop", ".")
		got, err := read(text.Options{}, dir)
		require.NoError(t, err)
		assert.Equal(t, []string{"a: 1", "c: 2", "b: 2"}, got)
	})
	t.Run("named", func(t *testing.T) {
		dir := tree(t, nil)
		link(t, dir, "file", filepath.Join(outside, "secret"))
		link(t, dir, "folder", filepath.Join(outside, "sub"))
		got, err := read(text.Options{}, filepath.Join(dir, "file"), filepath.Join(dir, "folder"))
		require.NoError(t, err)
		assert.Equal(t, []string{"file: secret", "x: x"}, got)
	})
	t.Run("put there after listing", func(t *testing.T) {
		dir := tree(t, map[string]string{"sub/secret": "1"})
		files, err := text.Files(context.Background(), []string{dir}, text.Options{})
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "sub")))
		link(t, dir, "sub", outside)
		for _, err := range text.Documents(context.Background(), files, text.Options{}, nil) {
			assert.ErrorContains(t, err, "escapes")
		}
	})
}

func TestNamesOfDevicesAreRefused(t *testing.T) {
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Skip("no device file here")
	}
	_, err := read(text.Options{}, os.DevNull)
	assert.ErrorContains(t, err, "not a regular file")
}

func TestCancel(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1\n2\n3\n"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	files, err := text.Files(ctx, []string{dir}, text.Options{})
	require.NoError(t, err)
	n := 0
	var last error
	for _, last = range text.Documents(ctx, files, text.Options{Document: "line"}, nil) {
		n++
		cancel()
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 2, n)
	_, err = text.Files(ctx, []string{dir}, text.Options{})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestGoSource(t *testing.T) {
	check := func(t *testing.T) {
		paths, opts, err := text.GoSource(context.Background())
		require.NoError(t, err)
		files, err := text.Files(context.Background(), paths, opts)
		require.NoError(t, err)
		assert.Greater(t, len(files), 1000)
	}
	t.Run("from the command", func(t *testing.T) {
		t.Setenv("GOROOT", "")
		check(t)
	})
	t.Run("from the environment", func(t *testing.T) {
		t.Setenv("GOROOT", t.TempDir())
		_, _, err := text.GoSource(context.Background())
		assert.ErrorContains(t, err, "no sources of the standard library")
	})
	t.Run("no command", func(t *testing.T) {
		t.Setenv("GOROOT", "")
		t.Setenv("PATH", t.TempDir())
		_, _, err := text.GoSource(context.Background())
		assert.ErrorContains(t, err, "name data of your own")
	})
}
