package text

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// File is a file that holds documents.
type File struct {
	Name    string // as the user would write it
	Size    int64  // bytes on disk
	ModTime time.Time

	folder string // named by the user; the file must lie in it
	inside string // path within folder, with slashes
}

// Files lists the regular files that paths name, each once, in the byte order of their names with slashes. A path is a file, a
// folder (all files in it and its folders whose name matches Options.Include), or a pattern with *, ?, [...] and ** (any number
// of folders). Names in folders that begin with a dot are left out. A symbolic link in a folder may lead to a file in the
// same folder; one that leads out of it is refused.
func Files(ctx context.Context, paths []string, opts Options) ([]File, error) {
	opts, err := opts.WithDefaults()
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("no data: name a file, a folder or a pattern")
	}
	var files []File
	for _, p := range paths {
		found, err := list(ctx, p, opts)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			if len(opts.Include) > 0 {
				return nil, fmt.Errorf("%s: no files in it whose names match %q", p, opts.Include)
			}
			return nil, fmt.Errorf("%s: no files in it", p)
		}
		files = append(files, found...)
	}
	sort.SliceStable(files, func(i, j int) bool { return filepath.ToSlash(files[i].Name) < filepath.ToSlash(files[j].Name) })
	once := files[:0]
	for _, f := range files {
		if len(once) == 0 || once[len(once)-1].Name != f.Name {
			once = append(once, f)
		}
	}
	return once, nil
}

func list(ctx context.Context, p string, opts Options) ([]File, error) {
	if p == "" {
		return nil, errors.New("an empty path names no data")
	}
	info, err := os.Stat(p)
	switch {
	case err == nil && info.Mode().IsRegular():
		name := filepath.Clean(p)
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			return nil, err
		}
		return []File{{Name: name, Size: info.Size(), ModTime: info.ModTime(), folder: filepath.Dir(real), inside: filepath.Base(real)}}, nil
	case err == nil && info.IsDir():
		return walk(ctx, filepath.Clean(p), []string{"**"}, opts.Include)
	case err == nil:
		return nil, fmt.Errorf("%s: not a regular file or a folder (%v)", p, info.Mode().Type())
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(p, "*?["):
		base, pattern := splitPattern(p)
		for _, segment := range pattern {
			if _, err := path.Match(segment, ""); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
		}
		files, err := walk(ctx, base, pattern, nil)
		if err == nil && len(files) == 0 {
			return nil, fmt.Errorf("%s: no file matches", p)
		}
		return files, err
	}
	return nil, err
}

// splitPattern divides a pattern into the folder that its literal beginning names and the segments after it.
func splitPattern(p string) (base string, pattern []string) {
	volume := filepath.VolumeName(p)
	segments := strings.Split(filepath.ToSlash(p[len(volume):]), "/")
	n := 0
	for n < len(segments)-1 && !strings.ContainsAny(segments[n], "*?[") {
		n++
	}
	base = strings.Join(segments[:n], "/")
	if n > 0 && base == "" {
		base = "/"
	}
	if base == "" {
		base = "."
	}
	return filepath.Clean(volume + filepath.FromSlash(base)), segments[n:]
}

// walk lists the files in a folder whose path in it matches a pattern of segments and whose name matches one of include.
func walk(ctx context.Context, folder string, pattern, include []string) ([]File, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var files []File
	err = fs.WalkDir(root.FS(), ".", func(inside string, entry fs.DirEntry, err error) error {
		name := filepath.Join(folder, filepath.FromSlash(inside))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if inside == "." {
			return nil
		}
		segments := strings.Split(inside, "/")
		if entry.IsDir() {
			if !matchSegments(pattern, segments, true) {
				return fs.SkipDir
			}
			return nil
		}
		if !matchSegments(pattern, segments, false) || !matchAny(include, path.Base(inside)) {
			return nil
		}
		info, err := root.Stat(filepath.FromSlash(inside)) // follows links, but not out of the folder
		if err != nil {
			if entry.Type()&fs.ModeSymlink != 0 {
				return fmt.Errorf("%s: symbolic link that leads out of %s or nowhere: name its target as a path of its own, or remove it (%w)", name, folder, err)
			}
			return fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case info.IsDir(): // a link: its files are found in their own place
		case info.Mode().IsRegular():
			files = append(files, File{Name: name, Size: info.Size(), ModTime: info.ModTime(), folder: folder, inside: filepath.FromSlash(inside)})
		default:
			return fmt.Errorf("%s: not a regular file (%v)", name, info.Mode().Type())
		}
		return nil
	})
	return files, err
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return len(patterns) == 0
}

// matchSegments matches a path against a pattern; ** matches any number of segments. For a folder (prefix) it is enough that
// something in it could match. Names that begin with a dot match only patterns that do.
func matchSegments(pattern, segments []string, prefix bool) bool {
	if len(segments) == 0 {
		return prefix || len(pattern) == 0 || len(pattern) == 1 && pattern[0] == "**"
	}
	if len(pattern) == 0 {
		return false
	}
	hidden := strings.HasPrefix(segments[0], ".")
	if pattern[0] == "**" {
		return matchSegments(pattern[1:], segments, prefix) || !hidden && matchSegments(pattern, segments[1:], prefix)
	}
	ok, _ := path.Match(pattern[0], segments[0])
	return ok && hidden == strings.HasPrefix(pattern[0], ".") && matchSegments(pattern[1:], segments[1:], prefix)
}
