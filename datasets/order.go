package datasets

import "github.com/seedbed/seedbed/abi/numerics"

// Order says which row the n-th sample of a run is. It is a pure function: samples 0 to Len-1 are the first epoch, the next
// Len the second, and each epoch visits every row once.
type Order struct {
	Seed    uint64 // of the shuffle; unused without it
	Len     int64  // rows in an epoch, at least 1
	Shuffle bool   // a permutation keyed by (Seed, epoch); otherwise the rows in order
}

// At returns the epoch and the row of a sample. It panics if sample is negative or Len is not positive: both are bugs of the
// caller, as dividing by zero is.
func (o Order) At(sample int64) (epoch, row int64) {
	if sample < 0 || o.Len <= 0 {
		panic("datasets: Order.At needs sample >= 0 and Len > 0")
	}
	epoch, row = sample/o.Len, sample%o.Len
	if o.Shuffle {
		row = int64(numerics.Permute(o.Seed, uint64(epoch), uint64(o.Len), uint64(row)))
	}
	return epoch, row
}
