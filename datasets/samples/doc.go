// Package samples opens data of images, texts and labels as a datasets.Dataset: image folders, zip files and tar shards in the
// WebDataset convention, IDX, CSV, TSV, JSON lines, Parquet and Arrow files, and text files whose lines belong together. Open is the
// one call.
//
// A row has the columns that the data has: "image" (binary, the bytes of a PNG, JPEG or WebP file, or pixels of one size as
// vision.PixelField says), "label" (int32, an index into Set.Classes), "text" and "text_b" (utf8), and "name" (utf8), which tells
// people where the row comes from. Every row is read once before the first use, so that bad ones are known and the fingerprint is
// that of the content; what that found is kept in a cache.
//
// It imports the package datasets, abi/vision, and Arrow with its Parquet reader. Bytes from outside are bounded and checked; nothing
// is ever written where an archive's names say.
//
// Start reading at open.go, then set.go (from rows to records), and a file for each format: members.go and group.go (folder, zip,
// tar), idx.go, table.go (CSV, TSV, JSON lines), columnar.go (Parquet, Arrow), lines.go.
package samples
