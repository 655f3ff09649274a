package receiver

// This file owns lists that are shown page by page.

import (
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// readPage reads "after", the last id that was seen, and "limit".
func readPage(c *gin.Context, what string) (after int64, limit int, err error) {
	limit = defaultPage
	if v := c.Query("after"); v != "" {
		if after, err = strconv.ParseInt(v, 10, 64); err != nil || after < 0 {
			return 0, 0, faces.Errorf(faces.CodeInvalid, `"after" must be the id of %s`, what)
		}
	}
	if v := c.Query("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxPage {
			return 0, 0, faces.Errorf(faces.CodeInvalid, `"limit" must be a number between 1 and %d`, maxPage)
		}
	}
	return after, limit, nil
}

// cutPage cuts a list, which was asked for with one more than the limit, and
// returns what to ask for the next page with; nil where this is the last.
func cutPage[T any](list []T, limit int, id func(T) int64) (cut []T, next *int64) {
	if len(list) <= limit {
		return list, nil
	}
	last := id(list[limit-1])
	return list[:limit], &last
}
