package batch

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Column finds the one column called name; -1 if there is none.
func Column(s *arrow.Schema, name string) (int, error) {
	if s == nil {
		return -1, errors.New("the dataset has no schema")
	}
	at := s.FieldIndices(name)
	switch len(at) {
	case 0:
		return -1, nil
	case 1:
		return at[0], nil
	}
	return -1, fmt.Errorf("the dataset has %d columns %q", len(at), name)
}

// Need finds the one column called name, which must be there.
func Need(s *arrow.Schema, name string) (int, error) {
	i, err := Column(s, name)
	if err == nil && i < 0 {
		err = fmt.Errorf("the dataset has no column %q; its columns are %v", name, s.Fields())
	}
	return i, err
}

// NeedLists finds the column called name, which must hold lists of at least
// least elements of type elem, all of one length, and returns that too.
func NeedLists(s *arrow.Schema, name string, elem arrow.DataType, least int) (column, length int, err error) {
	if column, err = Need(s, name); err != nil {
		return 0, 0, err
	}
	list, ok := s.Field(column).Type.(*arrow.FixedSizeListType)
	if !ok || !arrow.TypeEqual(list.Elem(), elem) || int(list.Len()) < least {
		return 0, 0, fmt.Errorf("the dataset's column %q is %v; needs fixed_size_list<%v> of at least %d", name, s.Field(column).Type, elem, least)
	}
	return column, int(list.Len()), nil
}

// FindLists is NeedLists of a column that need not be there: column is -1 then.
func FindLists(s *arrow.Schema, name string, elem arrow.DataType, least int) (column, length int, err error) {
	if column, err = Column(s, name); err != nil || column < 0 {
		return column, 0, err
	}
	return NeedLists(s, name, elem, least)
}

// IntLists returns the values of a column of lists of length int32 each, row
// after row; none may be missing.
func IntLists(rows arrow.Record, column, length int) ([]int32, error) {
	values, first, err := listValues(rows, column, length)
	if err != nil {
		return nil, err
	}
	ints, ok := values.(*array.Int32)
	if !ok {
		return nil, fmt.Errorf("column %q holds %v, not int32", rows.ColumnName(column), values.DataType())
	}
	return ints.Int32Values()[first:][:int(rows.NumRows())*length], nil
}

// listValues returns the array in which the lists of a column lie, and where
// the first of them begins: a sliced record shares the values of the whole.
func listValues(rows arrow.Record, column, length int) (values arrow.Array, first int, err error) {
	if column >= int(rows.NumCols()) {
		return nil, 0, fmt.Errorf("the rows have %d columns, fewer than the dataset's schema", rows.NumCols())
	}
	name := rows.ColumnName(column)
	list, ok := rows.Column(column).(*array.FixedSizeList)
	if !ok || int(list.DataType().(*arrow.FixedSizeListType).Len()) != length {
		return nil, 0, fmt.Errorf("column %q is %v, not lists of %d", name, rows.Column(column).DataType(), length)
	}
	values = list.ListValues()
	if list.NullN() > 0 || values.NullN() > 0 {
		return nil, 0, fmt.Errorf("column %q has missing values", name)
	}
	at, _ := list.ValueOffsets(0)
	if at < 0 || int64(values.Len()) < at+rows.NumRows()*int64(length) {
		return nil, 0, fmt.Errorf("column %q has %d values, needs %d", name, int64(values.Len())-at, rows.NumRows()*int64(length))
	}
	return values, int(at), nil
}

// FloatLists is IntLists for float32; the values are copies.
func FloatLists(rows arrow.Record, column, length int) ([]float32, error) {
	values, first, err := listValues(rows, column, length)
	if err != nil {
		return nil, err
	}
	floats, ok := values.(*array.Float32)
	if !ok {
		return nil, fmt.Errorf("column %q holds %v, not float32", rows.ColumnName(column), values.DataType())
	}
	return slices.Clone(floats.Float32Values()[first:][:int(rows.NumRows())*length]), nil
}
