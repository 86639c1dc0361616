// Package cases generates what a backend is asked: programs of one op, over
// every op of the table, dtype and attribute cell, with arguments that hold
// zeros of both signs, infinities, NaNs, subnormals and ties, in shapes that
// are empty, single, and one off the widths of vector units.
//
// A case is a pure function of the seed, its unit (op and dtype) and its
// number: every machine makes the same ones. What a cell accepts is asked of
// the op table, so that an op gains dtypes here when it gains them there.
//
// It imports abi, and the reference backend for the dtypes that it knows. Start reading at Units.
package cases
