package samples

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// idx is the format of MNIST: unsigned bytes of up to three dimensions, the first of which is the sample.
type idx struct {
	cols           columns
	images, labels *source
	n, size        int64
	offset         int64 // of the images
	path           string
}

func openIDX(c Config) (_ table, err error) {
	if len(c.Paths) > 2 {
		return nil, fmt.Errorf("paths: %d files, but IDX takes one of images and one of labels", len(c.Paths))
	}
	if c.Image != "" || len(c.Text)+len(c.TextB) > 0 || c.Label != "" {
		return nil, errors.New("image, label, text, text_b: columns have no names in idx")
	}
	t := &idx{path: c.Paths[0]}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.images, err = openSource(c.Paths[0]); err != nil {
		return nil, err
	}
	dims, offset, err := idxHeader(t.images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Paths[0], err)
	}
	if len(dims) != 3 && len(dims) != 4 {
		return nil, fmt.Errorf("%s: %d dimensions %v are not images: want [count, rows, columns] first, then the file of labels", c.Paths[0], len(dims), dims)
	}
	channels := int64(1)
	if len(dims) == 4 {
		channels = dims[3]
	}
	if channels != 1 && channels != 3 || dims[1]*dims[2] > int64(c.MaxPixels) {
		return nil, fmt.Errorf("%s: images of %v: more than %d pixels, or not 1 or 3 channels", c.Paths[0], dims[1:], c.MaxPixels)
	}
	if side := min(dims[1], dims[2]); side < int64(c.MinSide) {
		return nil, fmt.Errorf("%s: images of %v: a side is shorter than min_side, %d", c.Paths[0], dims[1:], c.MinSide)
	}
	t.n, t.offset, t.size = dims[0], offset, dims[1]*dims[2]*channels
	t.cols = columns{Image: true, Shape: [3]int{int(dims[1]), int(dims[2]), int(channels)}}
	if len(c.Paths) == 2 {
		if t.labels, err = openSource(c.Paths[1]); err != nil {
			return nil, err
		}
		dims, _, err := idxHeader(t.labels)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Paths[1], err)
		}
		if len(dims) != 1 || dims[0] != t.n {
			return nil, fmt.Errorf("%s: labels of %v for %d images of %s", c.Paths[1], dims, t.n, c.Paths[0])
		}
		t.cols.Label = true
	}
	return t, nil
}

// idxHeader reads 0, 0, the type 8, the number of dimensions, and those as big-endian u32; what follows must be that long.
func idxHeader(s *source) (dims []int64, offset int64, err error) {
	head, err := s.part(0, min(4+4*4, s.size))
	if err != nil {
		return nil, 0, err
	}
	if len(head) < 8 || head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] < 1 || head[3] > 4 || len(head) < 4+4*int(head[3]) {
		return nil, 0, fmt.Errorf("begins with % X, which is no IDX file of unsigned bytes", head[:min(len(head), 4)])
	}
	total := int64(1)
	for i := range int(head[3]) {
		n := int64(binary.BigEndian.Uint32(head[4+4*i:]))
		if n < 1 || n > maxRows || total > s.size/n {
			return nil, 0, fmt.Errorf("dimension %d is %d, which %d bytes of file do not hold", i, n, s.size)
		}
		total *= n
		dims = append(dims, n)
	}
	offset = 4 + 4*int64(head[3])
	if s.size != offset+total {
		return nil, 0, fmt.Errorf("%d bytes, but %v takes %d", s.size, dims, offset+total)
	}
	return dims, offset, nil
}

func (t *idx) columns() columns    { return t.cols }
func (t *idx) len() int64          { return t.n }
func (t *idx) name(i int64) string { return fmt.Sprintf("%s: row %d", t.path, i) }

func (t *idx) close() error {
	var err error
	for _, s := range []*source{t.images, t.labels} {
		if s != nil {
			err = errors.Join(err, s.close())
		}
	}
	return err
}

func (t *idx) read(i int64) (r row, err error) {
	if r.image, err = t.images.part(t.offset+i*t.size, t.size); err != nil {
		return r, err
	}
	if t.labels != nil {
		label, err := t.labels.part(8+i, 1)
		if err != nil {
			return r, err
		}
		r.label = strconv.Itoa(int(label[0]))
	}
	return r, nil
}
