package cases

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
)

// everyPart is how many inputs a case of all inputs has.
const everyPart = 1 << 16

// Univariate returns the units of ops that map each element of one float tensor
// to one of the same dtype: all inputs of such an op can be tried.
func Univariate(dtypes ...ir.DType) ([]Unit, error) {
	all, err := Units()
	if err != nil {
		return nil, err
	}
	var l []Unit
	for _, u := range all {
		for _, d := range dtypes {
			if u.DType == d && u.Op.Group == "elementwise" && len(u.Op.Operands) == 1 && len(u.Op.Attrs) == 0 {
				l = append(l, u)
			}
		}
	}
	return l, nil
}

// EveryParts is how many cases Every has: 1 for a dtype of 16 bits, 2^16 for
// one of 32.
func (u Unit) EveryParts() int { return 1 << (8*u.DType.Size() - 16) }

// EveryName returns the name of part number part of all inputs.
func (u Unit) EveryName(part int) string { return fmt.Sprintf("every input/%s/%d", u.Name(), part) }

// Every returns the case whose operand is 2^16 consecutive bit patterns, from
// part * 2^16 on. Parts of NaNs other than the canonical one are as good as it.
func (u Unit) Every(part int) (*Case, error) {
	a := app{operands: one(u.DType, []int{everyPart}, anyValue)}
	f, err := a.function(u.Op)
	if err != nil {
		return nil, err
	}
	size := u.DType.Size()
	data := make([]byte, everyPart*size)
	first := uint64(part) << 16
	for i := range uint64(everyPart) {
		putBits(data[int(i)*size:], size, first|i)
	}
	return &Case{Name: u.EveryName(part), Op: u.Op.Name, DType: u.DType, Cell: "every input", Func: f, Args: [][]byte{data}}, nil
}
