#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
extern char **environ;
int main(int argc,char**argv){
 if(!strcmp(argv[1],"exec")){ int fd=open(argv[2],O_RDONLY|O_CLOEXEC); if(fd<0){perror("open");return 1;} execl("/bin/sleep","sleep","1000",(char*)0); perror("exec");return 1;}
 if(!strcmp(argv[1],"map")){ int fd=open(argv[2],O_RDONLY); 
   unsigned long a=0; FILE*f=fopen("/proc/self/stat","r"); char buf[4096]; fgets(buf,sizeof buf,f); char*p=strrchr(buf,')')+2; unsigned long v[60]; int n=3; for(char*t=strtok(p," ");t;t=strtok(NULL," ")) v[n++]=strtoul(t,NULL,10);
   a=v[50]; unsigned long e=v[51]; printf("env %lx-%lx\n",a,e); fflush(stdout);
   unsigned long s=a&~4095UL, en=(e+4095)&~4095UL; 
   void*m=mmap((void*)s,en-s,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_FIXED,fd,0); 
   if(m==MAP_FAILED) _exit(3); for(;;) pause(); }
 return 2;}
