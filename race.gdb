set pagination off
handle SIGUSR1 nostop noprint
break km_source_check_relation
continue
finish
shell psql -h /tmp/w/reveng/sock -p 5617 -U postgres -XqAt -c "drop table zz.q"
continue
bt 4
