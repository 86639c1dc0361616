package samples

import (
	"errors"
	"fmt"
	"strings"
)

// lines is the table of text files whose lines belong together, such as a text and its translation.
type lines struct {
	sources []*source
	starts  [][]int64
}

func openLines(c Config) (_ table, err error) {
	if len(c.Paths) > 2 {
		return nil, fmt.Errorf("paths: %d files, but lines takes one or two", len(c.Paths))
	}
	if c.Image != "" || c.Label != "" || len(c.Text)+len(c.TextB) > 0 {
		return nil, errors.New("image, label, text, text_b: columns have no names in lines")
	}
	t := &lines{}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	for _, p := range c.Paths {
		s, err := openSource(p)
		if err != nil {
			return nil, err
		}
		t.sources = append(t.sources, s)
		starts, err := lineStarts(s, true)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		t.starts = append(t.starts, starts)
	}
	if n := len(t.sources); n == 2 && len(t.starts[0]) != len(t.starts[1]) {
		return nil, fmt.Errorf("%s has %d lines and %s has %d, so they do not belong together", c.Paths[0], len(t.starts[0])-1, c.Paths[1], len(t.starts[1])-1)
	}
	return t, nil
}

func (t *lines) columns() columns    { return columns{Text: true, TextB: len(t.sources) == 2} }
func (t *lines) len() int64          { return int64(len(t.starts[0])) - 1 }
func (t *lines) name(i int64) string { return fmt.Sprintf("%s: row %d", t.sources[0].name, i) }

func (t *lines) close() error {
	var err error
	for _, s := range t.sources {
		err = errors.Join(err, s.close())
	}
	return err
}

func (t *lines) read(i int64) (row, error) {
	var texts [2]string
	for k, s := range t.sources {
		line, err := s.part(t.starts[k][i], t.starts[k][i+1]-t.starts[k][i])
		if err != nil {
			return row{}, err
		}
		texts[k] = strings.TrimRight(string(line), "\r\n")
	}
	if len(t.sources) == 2 && (strings.TrimSpace(texts[0]) == "") != (strings.TrimSpace(texts[1]) == "") {
		return row{}, errors.New("a line of text beside an empty one")
	}
	return row{text: texts[0], textB: texts[1]}, nil
}
