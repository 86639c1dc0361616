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

// strided is a dataset in another order, for grains of some rows: each takes
// rows from all over the dataset. Rows beside each other are often of one
// document, and objectives that compare the rows of a grain would be asked
// another question than in training, where rows are shuffled.
type strided struct {
	datasets.Dataset
	rows int64 // of a grain, at most all
}

func (s strided) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	all := make([]int64, len(rows))
	for i, r := range rows {
		all[i] = s.at(r)
	}
	return s.Dataset.Read(ctx, all)
}

// at returns the row that is the r-th to be read; those of the last grain, if
// it is not whole, stay where they are.
func (s strided) at(r int64) int64 {
	grains := s.Dataset.Len() / s.rows
	if r >= grains*s.rows {
		return r
	}
	return r%s.rows*grains + r/s.rows
}
