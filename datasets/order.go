package datasets

import "github.com/seedbed/seedbed/abi/numerics"

// Order says which row the n-th sample of a run is. It is a pure function: samples 0 to Len-1 are the first epoch, the next
// Len the second, and each epoch visits every row once.
type Order struct {
	Seed    uint64 // of the shuffle; unused without it
	Len     int64  // rows in an epoch, at least 1
	Shuffle bool   // a permutation keyed by (Seed, epoch); otherwise the rows in order

	// Window, if it is not 0, shuffles within reach: runs of Window rows are visited in random order, each run in random order
	// within itself, and what is left over at the end comes last. For data that is slow to read at random, such as row groups or
	// archives on rotating disks.
	Window int64
}

// At returns the epoch and the row of a sample. It panics if sample is negative or Len is not positive: both are bugs of the
// caller, as dividing by zero is.
func (o Order) At(sample int64) (epoch, row int64) {
	if sample < 0 || o.Len <= 0 {
		panic("datasets: Order.At needs sample >= 0 and Len > 0")
	}
	epoch, row = sample/o.Len, sample%o.Len
	if o.Shuffle && o.Window > 0 && o.Window < o.Len {
		runs, run := o.Len/o.Window, row/o.Window
		length := o.Window
		if run < runs {
			run = int64(numerics.Permute(o.Seed, uint64(epoch), uint64(runs), uint64(run)))
		} else {
			length = o.Len % o.Window
		}
		// The order within a run has a seed of its own: that of epoch and run.
		w := numerics.Philox4x32([4]uint32{uint32(run), uint32(run >> 32), uint32(epoch), uint32(epoch >> 32)}, [2]uint32{uint32(o.Seed), uint32(o.Seed >> 32)})
		return epoch, run*o.Window + int64(numerics.Permute(uint64(w[0])|uint64(w[1])<<32, uint64(epoch), uint64(length), uint64(row%o.Window)))
	}
	if o.Shuffle {
		row = int64(numerics.Permute(o.Seed, uint64(epoch), uint64(o.Len), uint64(row)))
	}
	return epoch, row
}
