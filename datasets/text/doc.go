// Package text finds documents: it lists the files that paths, folders and globs name, and reads them as UTF-8 text or JSON
// Lines, gzip and zstd included, one document at a time in bounded memory. What it cannot read as text it refuses with the file
// and the place, unless asked to skip binary files.
//
// It imports the standard library and klauspost/compress only.
//
// Start reading at files.go (what a path names), then open.go (from a file to a stream of text) and documents.go (from the stream
// to documents). gosource.go finds text that every machine with a Go toolchain has.
package text
