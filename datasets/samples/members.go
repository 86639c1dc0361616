package samples

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// member is a file in a folder or an archive.
type member struct {
	name string // with slashes
	read func() ([]byte, error)
	err  error // what is wrong with it
}

// checkName refuses names that lead out of an archive or that systems read differently.
func checkName(name string) error {
	if !fs.ValidPath(strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")) || strings.ContainsAny(name, "\\\x00:") {
		return fmt.Errorf("the name %q is absolute, leads out of the archive or is not a plain path", name)
	}
	return nil
}

// folderMembers lists the files of a folder in byte order. Names that begin with a dot are left out. A link may lead to a file in
// the folder.
func folderMembers(folder string) ([]member, io.Closer, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, nil, err
	}
	var members []member
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		m := member{name: name, read: func() ([]byte, error) { return readRoot(root, name) }}
		if info, err := root.Stat(name); err != nil {
			m.err = fmt.Errorf("a link that leads out of the folder or nowhere: %w", err)
		} else if info.IsDir() {
			return nil // a link to a folder
		} else if !info.Mode().IsRegular() {
			m.err = fmt.Errorf("not a regular file (%v)", info.Mode().Type())
		}
		members = append(members, m)
		return nil
	})
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	return members, root, nil
}

func readRoot(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file (%v)", info.Mode().Type())
	}
	return readAll(f, info.Size())
}

// readAll reads what is said to have a size.
func readAll(r io.Reader, size int64) ([]byte, error) {
	if size > maxMember {
		return nil, fmt.Errorf("%d bytes, more than %d", size, maxMember)
	}
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != size {
		return nil, fmt.Errorf("%d bytes or more, said to have %d", len(data), size)
	}
	return data, nil
}

// zipMembers lists the files of a zip archive in its order.
func zipMembers(s *source) ([]member, error) {
	z, err := zip.NewReader(s, s.size)
	if err != nil {
		if errors.Is(err, zip.ErrInsecurePath) {
			err = nil // each name is checked below
		} else {
			return nil, err
		}
	}
	var members []member
	for _, f := range z.File {
		if f.FileInfo().IsDir() || hidden(f.Name) {
			continue
		}
		m := member{name: f.Name, err: checkName(f.Name), read: func() ([]byte, error) {
			if f.UncompressedSize64 > maxMember {
				return nil, fmt.Errorf("%d bytes unpacked, more than %d", f.UncompressedSize64, maxMember)
			}
			r, err := f.Open()
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return readAll(r, int64(f.UncompressedSize64))
		}}
		if m.err == nil && !f.Mode().IsRegular() {
			m.err = fmt.Errorf("not a regular file (%v)", f.Mode().Type())
		}
		members = append(members, m)
	}
	return members, nil
}

// hidden files are left out: of version control, and of systems that add their own.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." && part != ".." || part == "__MACOSX" {
			return true
		}
	}
	return false
}

// tarMembers lists the files of a tar archive in its order, with their places.
func tarMembers(s *source) ([]member, error) {
	counted := &counter{r: s.all()}
	t := tar.NewReader(counted)
	var members []member
	for {
		h, err := t.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, fmt.Errorf("after %d files: %w", len(members), err)
		}
		if h.Typeflag == tar.TypeDir || hidden(h.Name) {
			continue
		}
		offset, size := counted.n, h.Size
		m := member{name: path.Clean(h.Name), err: checkName(h.Name), read: func() ([]byte, error) { return s.part(offset, size) }}
		if m.err != nil {
			m.name = h.Name
		} else if h.Typeflag != tar.TypeReg || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "" {
			m.err = fmt.Errorf("not a regular file (type %q)", h.Typeflag)
		}
		members = append(members, m)
		if len(members) > maxRows {
			return nil, fmt.Errorf("more than %d files", int64(maxRows))
		}
	}
}

// counter counts what is read. It is no io.Seeker, so that the count is the place.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
