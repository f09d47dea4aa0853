#compdef stgt-xdp
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion for zsh. Commands and options are those that --help tells.

local -a found
case ${words[CURRENT-1]} in
(--xdp) compadd auto zerocopy native generic; return ;;
(--allow) compadd any any/ro; return ;;
(--interface) compadd -- /sys/class/net/*(N:t); return ;;
(--view) compadd exports initiators pairs interfaces; return ;;
(--sort) compadd iops bytes latency name; return ;;
(--config|--socket|--chap) _files; return ;;
(--state-dir) _files -/; return ;;
esac
if (( CURRENT == 2 )); then
	found=(${(f)"$(stgt-xdp --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\).*/\1/p')"})
	compadd -- $found --help --version
elif [[ ${words[CURRENT]} == -* ]]; then
	found=(${(fu)"$(stgt-xdp ${words[2]} --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*')"})
	compadd -- $found --help
elif [[ ${words[2]} == (attach|detach) || ${words[2]} == capture && $CURRENT -eq 3 ]]; then
	compadd -- /sys/class/net/*(N:t)
elif [[ ${words[2]} == log && $CURRENT -eq 4 ]]; then
	compadd error warning notice info debug
elif [[ ${words[2]} == alua && $CURRENT -gt 4 ]]; then
	(( CURRENT == 5 )) && compadd active/optimized active/nonoptimized standby unavailable offline transitioning
	(( CURRENT == 5 )) || compadd preferred implicit
else
	found=()
	if (( CURRENT == 3 )); then
		found=(${(fu)"$(stgt-xdp ${words[2]} --help 2>/dev/null |
			sed -n "s/.*stgt-xdp ${words[2]} \([a-z][a-z]*\).*/\1/p")"})
	fi
	if (( $#found )); then compadd -- $found; else _files; fi
fi
