package samples

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// groups is the table of folders and archives. Files with one key, the path up to the first dot of the last part, are one sample; the
// extension says what they hold (the WebDataset convention): png, jpg, jpeg and webp an image, txt the text, cls the label. Others
// are ignored.
type groups struct {
	cols     columns
	byFolder bool // the label is the folder
	list     []group
	closers  []io.Closer
}

type group struct {
	source, key        string
	image, text, class *member
	err                error
}

func openGroups(c Config) (_ table, err error) {
	if c.Label != "" && c.Label != "folder" && c.Label != "cls" && c.Label != "none" {
		return nil, fmt.Errorf(`label: %q is not folder, cls or none`, c.Label)
	}
	if c.Image != "" || len(c.Text)+len(c.TextB) > 0 {
		return nil, fmt.Errorf("image, text, text_b: columns have no names in %s", c.Format)
	}
	g := &groups{}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	for _, p := range c.Paths {
		var members []member
		if c.Format == "folder" {
			var closer io.Closer
			if members, closer, err = folderMembers(p); err == nil {
				g.closers = append(g.closers, closer)
			}
		} else {
			var s *source
			if s, err = openSource(p); err != nil {
				return nil, err
			}
			g.closers = append(g.closers, closerFunc(s.close))
			if c.Format == "zip" {
				members, err = zipMembers(s)
			} else {
				members, err = tarMembers(s)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		g.add(p, members, c.Format == "tar")
	}
	texts, classes := false, false
	for _, s := range g.list {
		g.cols.Image = g.cols.Image || s.image != nil
		texts, classes = texts || s.text != nil, classes || s.class != nil
	}
	g.cols.Text = texts
	switch {
	case c.Label == "none":
	case c.Label == "folder" || c.Label == "" && !classes && !texts && c.Format != "tar":
		g.byFolder, g.cols.Label = true, true
	case c.Label == "cls" && !classes:
		return nil, fmt.Errorf("label: cls, but no file has this extension in %s", c.Paths[0])
	default:
		g.cols.Label = classes
	}
	if !g.cols.Image && !g.cols.Text {
		for i, s := range g.list {
			if s.err != nil {
				return nil, fmt.Errorf("%s: %w", g.name(int64(i)), s.err)
			}
		}
		return nil, fmt.Errorf("%s: no images (.png, .jpg, .jpeg, .webp) and no texts (.txt) in it", c.Paths[0])
	}
	return g, nil
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// add groups members. In a stream a sample's files follow each other, so a key that comes back is a second sample of that name.
func (g *groups) add(source string, members []member, stream bool) {
	at := map[string]int{}
	last := ""
	for i := range members {
		m := &members[i]
		dir, base := path.Split(m.name)
		stem, ext, _ := strings.Cut(base, ".")
		key := dir + stem
		kind := kindOf(ext)
		if kind == 0 && m.err == nil {
			continue
		}
		n, known := at[key]
		if !known {
			n = len(g.list)
			at[key] = n
			g.list = append(g.list, group{source: source, key: key})
		}
		s := &g.list[n]
		if known && stream && key != last && s.err == nil {
			s.err = fmt.Errorf("the key comes twice, the second time at %q", m.name)
		}
		last = key
		if m.err != nil {
			if s.err == nil {
				s.err = m.err
			}
			continue
		}
		place := map[byte]**member{'i': &s.image, 't': &s.text, 'c': &s.class}[kind]
		if *place != nil {
			if s.err == nil {
				s.err = fmt.Errorf("%q and %q are the same part of one sample", (*place).name, m.name)
			}
			continue
		}
		*place = m
	}
}

// kindOf tells what an extension holds: image, text, class, or 0. Of several the last counts ("photo.small.png").
func kindOf(ext string) byte {
	if i := strings.LastIndexByte(ext, '.'); i >= 0 {
		ext = ext[i+1:]
	}
	switch strings.ToLower(ext) {
	case "png", "jpg", "jpeg", "webp":
		return 'i'
	case "txt":
		return 't'
	case "cls":
		return 'c'
	}
	return 0
}

func (g *groups) columns() columns    { return g.cols }
func (g *groups) len() int64          { return int64(len(g.list)) }
func (g *groups) name(i int64) string { return g.list[i].source + ": " + g.list[i].key }

func (g *groups) close() error {
	var all error
	for _, c := range g.closers {
		all = errors.Join(all, c.Close())
	}
	return all
}

func (g *groups) read(i int64) (r row, err error) {
	s := g.list[i]
	switch {
	case s.err != nil:
		return r, s.err
	case g.cols.Image && s.image == nil:
		return r, errors.New("a caption or label without an image")
	case g.cols.Text && s.text == nil:
		return r, errors.New("an image without a caption (.txt)")
	case g.cols.Label && !g.byFolder && s.class == nil:
		return r, errors.New("a sample without a label (.cls)")
	}
	if g.cols.Image {
		if r.image, err = s.image.read(); err != nil {
			return r, fmt.Errorf("%s: %w", s.image.name, err)
		}
	}
	if g.cols.Text {
		text, err := s.text.read()
		if err != nil {
			return r, fmt.Errorf("%s: %w", s.text.name, err)
		}
		r.text = strings.TrimRight(string(text), "\r\n")
	}
	if g.byFolder {
		r.label = strings.TrimSuffix(path.Dir(s.key), "/")
		if r.label == "." {
			return r, errors.New("not in the folder of a class: set label to none if there are no classes")
		}
	} else if g.cols.Label {
		label, err := s.class.read()
		if err != nil {
			return r, fmt.Errorf("%s: %w", s.class.name, err)
		}
		r.label = strings.TrimSpace(string(label))
	}
	return r, nil
}
