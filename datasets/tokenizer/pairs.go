package tokenizer

import "math"

// pairTable maps pairs of token ids to int64 values by open addressing. It is the inner loop of training and of encoding words
// that are not cached.
type pairTable struct {
	keys   []uint64 // 0 is empty; a pair is stored plus one
	values []int64
	n      int
	shift  int
}

// noMerge is the value of a pair that is not in the table. Its upper half is above every rank.
const noMerge = math.MaxInt64

func pairOf(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

func newPairTable(n int) pairTable {
	bits := 10
	for 1<<bits < 2*n {
		bits++
	}
	return pairTable{keys: make([]uint64, 1<<bits), values: make([]int64, 1<<bits), shift: 64 - bits}
}

// index spreads pairs by Fibonacci hashing. Ids are given by the trainer or bounded by a file, so that a flood of collisions
// costs the file's author alone.
func (t *pairTable) index(pair uint64) int {
	pair *= 0x9E3779B97F4A7C15
	pair ^= pair >> 32
	return int(pair * 0x9E3779B97F4A7C15 >> t.shift)
}

// get returns the value of a pair or noMerge.
func (t *pairTable) get(pair uint64) int64 {
	mask := len(t.keys) - 1
	for at := t.index(pair); ; at = (at + 1) & mask {
		switch t.keys[at] {
		case pair + 1:
			return t.values[at]
		case 0:
			return noMerge
		}
	}
}

// slot returns where the value of a pair is, valid until the next call, adding it as 0 if it is new.
func (t *pairTable) slot(pair uint64) (value *int64, added bool) {
	if 2*t.n >= len(t.keys) {
		t.grow()
	}
	mask := len(t.keys) - 1
	for at := t.index(pair); ; at = (at + 1) & mask {
		switch t.keys[at] {
		case pair + 1:
			return &t.values[at], false
		case 0:
			t.keys[at] = pair + 1
			t.n++
			return &t.values[at], true
		}
	}
}

func (t *pairTable) grow() {
	old := *t
	*t = newPairTable(len(old.keys))
	for i, key := range old.keys {
		if key != 0 {
			value, _ := t.slot(key - 1)
			*value = old.values[i]
		}
	}
}
