#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <fuse.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/stat.h>
#include <stdlib.h>
/* /flush : flush never answers;  /read: read never answers */
static int ga(const char *p, struct stat *s, struct fuse_file_info *fi){(void)fi;memset(s,0,sizeof *s);
 if(!strcmp(p,"/")){s->st_mode=S_IFDIR|0755;s->st_nlink=2;return 0;}
 s->st_mode=S_IFREG|0755;s->st_nlink=1;s->st_size=65536;return 0;}
static int op(const char*p,struct fuse_file_info*fi){(void)p;(void)fi;return 0;}
static int rd(const char*p,char*b,size_t n,off_t o,struct fuse_file_info*fi){(void)b;(void)o;(void)fi; if(!strcmp(p,"/read")) for(;;) pause(); memset(b,'x',n); return n;}
static int fl(const char*p,struct fuse_file_info*fi){(void)fi; if(!strcmp(p,"/flush")) for(;;) pause(); return 0;}
static const struct fuse_operations o={.getattr=ga,.open=op,.read=rd,.flush=fl};
int main(int c,char**v){return fuse_main(c,v,&o,NULL);}
