package run

import (
	"context"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/datasets"
)

// spread is n rows of a dataset, evenly spread: the first ones of a split are
// of a few documents and stand for nothing but these.
type spread struct {
	datasets.Dataset
	n int64
}

func (s spread) Len() int64 { return s.n }

func (s spread) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	all := make([]int64, len(rows))
	for i, r := range rows {
		all[i] = s.at(r)
	}
	return s.Dataset.Read(ctx, all)
}

// at returns the row that is the r-th of n. Both are below 2^31.
func (s spread) at(r int64) int64 { return r * s.Dataset.Len() / s.n }
