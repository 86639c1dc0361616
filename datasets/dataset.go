package datasets

import (
	"context"

	"github.com/apache/arrow/go/v17/arrow"
)

// Dataset is a finite, randomly addressable sequence of rows. Its methods, Close excepted, may be called by any number of
// goroutines at once.
type Dataset interface {
	// Schema describes the rows.
	Schema() *arrow.Schema

	// Len is the number of rows, which is what one epoch visits. It is at least 1.
	Len() int64

	// Read returns the given rows in the order asked for, repeats included, as one record of len(rows) rows that the caller
	// releases. A row outside [0, Len) is an error.
	Read(ctx context.Context, rows []int64) (arrow.Record, error)

	// Fingerprint is the hexadecimal SHA-256 of everything that determines the rows: equal fingerprints, equal rows.
	Fingerprint() string

	// Close releases files. No method may be called after it.
	Close() error
}
