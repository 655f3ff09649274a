package frontend

import "github.com/gin-gonic/gin"

// uploadRoutes adds the pages of uploading pictures.
func (s *Server) uploadRoutes(*gin.Engine) {}
