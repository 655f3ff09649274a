package frontend

import "github.com/gin-gonic/gin"

// unknownStore is what these pages read of the store.
type unknownStore interface{}

// unknownRoutes adds the pages of unknown groups.
func (s *Server) unknownRoutes(*gin.Engine) {}
