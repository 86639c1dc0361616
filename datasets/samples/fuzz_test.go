package samples_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/seedbed/seedbed/datasets/samples"
	"github.com/stretchr/testify/require"
)

// FuzzOpen: whatever a file of any format holds, it is refused with an error that names it, or all its rows can be read, and the
// fingerprint is that of what was read.
func FuzzOpen(f *testing.F) {
	names := []string{"d.tar", "d.zip", "d.idx", "d.csv", "d.tsv", "d.jsonl", "d.arrow", "d.parquet", "d.txt", "d.csv.gz", "d.tar.zst"}
	good := []entry{{"a/1.png", picture(1)}, {"a/1.txt", []byte("one")}, {"b/2.png", picture(2)}, {"b/2.txt", []byte("two")}}
	f.Add(uint8(0), tarball(good...), "")
	f.Add(uint8(0), tarball(entry{"../x.png", picture(1)}), "")
	f.Add(uint8(1), zipped(good...), "")
	f.Add(uint8(2), idxFile([]byte{2, 2, 1}, []byte("abcd")), "")
	f.Add(uint8(3), []byte("a,b\n\"c\nd\",e\n"), "2")
	f.Add(uint8(4), []byte("a\tb\n"), "1")
	f.Add(uint8(5), []byte("{\"t\":\"x\"}\n{\"t\":1}\n"), "t")
	f.Add(uint8(8), []byte("a\n\nb"), "")
	f.Add(uint8(9), gzipped([]byte("a,b\n")), "1")
	schema := arrow.NewSchema([]arrow.Field{{Name: "t", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(*array.StringBuilder).AppendValues([]string{"x", "yz"}, nil)
	rec := b.NewRecord()
	var arrowFile, parquetFile bytes.Buffer
	w, err := ipc.NewFileWriter(&noSeek{&arrowFile}, ipc.WithSchema(schema))
	require.NoError(f, err)
	require.NoError(f, w.Write(rec))
	require.NoError(f, w.Close())
	pw, err := pqarrow.NewFileWriter(schema, &parquetFile, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	require.NoError(f, err)
	require.NoError(f, pw.Write(rec))
	require.NoError(f, pw.Close())
	f.Add(uint8(6), arrowFile.Bytes(), "t")
	f.Add(uint8(7), parquetFile.Bytes(), "t")
	f.Fuzz(func(t *testing.T, kind uint8, data []byte, column string) {
		dir := t.TempDir()
		path := filepath.Join(dir, names[int(kind)%len(names)])
		require.NoError(t, os.WriteFile(path, data, 0o644))
		c := samples.Config{Paths: []string{path}, OnBadSample: "skip", CacheDir: "none"}
		if strings.HasSuffix(path, ".txt") {
			c.Format = "lines"
		}
		if column != "" {
			c.Text = []string{column}
		}
		s, err := samples.Open(context.Background(), c)
		if err != nil {
			require.ErrorContains(t, err, "open samples: ")
			return
		}
		defer s.Close()
		for from := int64(0); from < min(s.Data.Len(), 100); from++ {
			rec, err := s.Data.Read(context.Background(), []int64{from})
			require.NoError(t, err)
			require.Equal(t, int64(1), rec.NumRows())
			rec.Release()
		}
		again, err := samples.Open(context.Background(), c)
		require.NoError(t, err)
		require.Equal(t, s.Data.Fingerprint(), again.Data.Fingerprint())
		require.NoError(t, again.Close())
	})
}
