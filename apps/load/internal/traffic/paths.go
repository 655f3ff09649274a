package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Pattern returns the paths of a pattern, in which {n} is the number of the image and
// {run} names the run.
func Pattern(pattern, run string) (func(n int) string, error) {
	if !strings.Contains(pattern, "{n}") {
		return nil, errors.New("-pattern has no {n}, so that all paths would be one")
	}
	before := strings.ReplaceAll(pattern, "{run}", run)
	return func(n int) string { return strings.ReplaceAll(before, "{n}", strconv.Itoa(n)) }, nil
}

// ReadList returns the paths of a file with one path a line, over and over, and their
// number.
func ReadList(name string) (path func(n int) string, paths int, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("read the list of paths: %w", err)
	}
	defer file.Close()
	var list []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := lines.Text(); strings.TrimSpace(line) != "" {
			list = append(list, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("read the list of paths: %w", err)
	}
	if len(list) == 0 {
		return nil, 0, errors.New("the list of paths is empty")
	}
	return func(n int) string { return list[n%len(list)] }, len(list), nil
}
